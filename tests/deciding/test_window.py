from __future__ import annotations

import numpy as np
import pytest

from runtime.deciding import Text, Window, event

TIME = np.array([10, 20, 30], np.int64)
COLUMNS = {
    "rate": np.array([0.1, np.nan, 0.3]),
    "frozen": np.array([False, True, False]),
    "symbol": Text(np.array([1, -1, 0], np.int32), ["DAI", "USDC"]),
}


@pytest.fixture
def window() -> Window:
    kinds = Text(np.array([0, 0, 1], np.int32), ["PoolRateObserved", "PriceObserved"])
    return Window("pool", TIME, TIME + 5, kinds, COLUMNS)


def test_columns_are_arrays(window: Window):
    assert len(window) == 3
    assert window["frozen"].tolist() == [False, True, False]
    assert window["symbol"].tolist() == ["USDC", "", "DAI"]
    assert window.types == ["PoolRateObserved", "PoolRateObserved", "PriceObserved"]
    with pytest.raises(KeyError):
        window["other"]


def test_events_are_rows_of_plain_values(window: Window):
    first, second, third = window.events(("rate", "symbol", "frozen"))
    assert tuple(first) == (10, 15, "PoolRateObserved", 0.1, "USDC", False)
    assert np.isnan(second.rate)
    assert (second.symbol, second.frozen) == ("", True)
    assert (third.time, third.known_at, third.type) == (30, 35, "PriceObserved")
    kinds = [type(value) for value in first]
    assert kinds == [int, int, str, float, str, bool]


def test_one_type_is_the_type_of_all_rows():
    window = Window("pool", TIME, TIME, "PriceObserved", COLUMNS)
    assert window.types == ["PriceObserved"] * 3
    assert {one.type for one in window.events(())} == {"PriceObserved"}
    assert {one.known_at for one in window.events(())} == {10, 20, 30}


def test_a_window_of_one_event_gives_it_back(window: Window):
    inputs = ("rate", "symbol", "frozen")
    for one in window.events(inputs):
        (again,) = Window.of("pool", one).events(inputs)
        np.testing.assert_equal(tuple(again), tuple(one))


def test_an_event_made_by_hand_is_known_when_it_happens():
    assert event(7, rate=0.1).known_at == 7
    assert event(7, 9, "PriceObserved", price=1.0)[:3] == (7, 9, "PriceObserved")


def test_a_cut_of_text_keeps_its_words():
    text = COLUMNS["symbol"]
    assert isinstance(text, Text)
    assert text.cut(slice(1, 3)).tolist() == ["", "DAI"]
