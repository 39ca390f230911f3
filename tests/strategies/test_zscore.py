from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.deciding import Text, Window, event
from runtime.errors import ParameterInvalid, UnknownName
from strategies.edge import EdgeFinder, Track
from strategies.zscore import EwmaZScore, PriceZScore

TICKS = Path(__file__).parents[2] / ".." / "shared" / "bench" / "ticks.py"


def price_window(prices: np.ndarray) -> Window:
    time = np.arange(len(prices))
    return Window("pair", time, time, "PriceObserved", {"price": prices})


def textbook(prices: list[float], alpha: float, warmup: int, threshold: float) -> list[int]:
    """The rows of the edges, by the recursions of mean and variance."""
    last, mean, variance, hot, edges = prices[0], 0.0, 0.0, False, []
    for row, price in enumerate(prices[1:], start=1):
        off = price - last - mean
        last = price
        if row > warmup:
            was_hot, hot = hot, variance > 0.0 and abs(off) / sqrt(variance) >= threshold
            edges.extend([row] if hot and not was_hot else [])
        mean += alpha * off
        variance = (1.0 - alpha) * (variance + alpha * off * off)
    return edges


@given(seed=st.integers(0, 2**32 - 1), alpha=st.floats(0.01, 0.5), warmup=st.integers(1, 60))
@settings(max_examples=40)
def test_edges_are_those_of_the_textbook(seed, alpha, warmup):
    prices = 100.0 + np.cumsum(np.random.default_rng(seed).normal(0.0, 0.1, 600))
    found = EdgeFinder(alpha, warmup, 2.0).scan(Track(), prices)
    assert [row for row, _ in found] == textbook(prices.tolist(), alpha, warmup, 2.0)


def test_the_tick_workload_gives_its_known_number_of_decisions():
    if not TICKS.exists():
        pytest.skip(f"the tick workload is not beside this checkout ({TICKS.name})")
    spec = spec_from_file_location("ticks", TICKS)
    assert spec is not None
    assert spec.loader is not None
    ticks = module_from_spec(spec)
    spec.loader.exec_module(ticks)
    rows = ticks.make_ticks()
    strategy = PriceZScore.configure({})
    made = [
        strategy.on_window(strategy.start(key), price_window(rows["price"][rows["sym"] == number]))
        for number, key in enumerate(ticks.KEYS)
    ]
    assert sum(map(len, made)) == 9_970


def test_a_price_that_falls_is_bought_and_one_that_rises_is_sold():
    calm = [100.0, 100.1] * 20
    strategy = PriceZScore.configure({"warmup": 10})
    fallen = strategy.on_window(strategy.start("a"), price_window(np.array([*calm, 95.0])))
    risen = strategy.on_window(strategy.start("a"), price_window(np.array([*calm, 105.0])))
    assert [decision.action for _, decision in fallen] == ["rebalance_in"]
    assert [decision.action for _, decision in risen] == ["rebalance_out"]


def test_a_price_that_stands_still_is_never_judged():
    strategy = PriceZScore.configure({"warmup": 1})
    assert strategy.on_window(strategy.start("a"), price_window(np.full(500, 7.0))) == []


CALM = [0.030, 0.031] * 10


def seen(rates: list[float], frozen: list[bool] | None = None, **parameters: float) -> list[tuple]:
    """Row and action of what the scout decides on a pool."""
    strategy = EwmaZScore.configure(parameters)
    state = strategy.start("pool")
    flags = frozen or [False] * len(rates)
    made = []
    for row, (rate, flag) in enumerate(zip(rates, flags, strict=True)):
        decision = strategy.on_event(state, event(row, rate=rate, symbol="DAI", frozen=flag))
        made.extend([(row, decision.action)] if decision else [])
    return made


def test_a_jump_is_an_opportunity():
    assert seen([*CALM, 0.08, 0.08, 0.08, 0.08]) == [(20, "enter_position")]


def test_a_jump_that_falls_back_is_withdrawn_once():
    assert seen([*CALM, 0.08, 0.078, 0.05, 0.03]) == [
        (20, "enter_position"),
        (22, "reject_faded"),
    ]


def test_a_spike_is_watched_no_longer_than_patience():
    assert seen([*CALM, 0.08, 0.078, 0.05], patience=1) == [(20, "enter_position")]


def test_a_jump_of_a_low_rate_is_rejected():
    assert seen([*CALM, 0.08], min_apr=0.1) == [(20, "reject_low")]


def test_dust_is_no_jump():
    assert seen([0.0] * 20 + [0.0004]) == []


def test_a_fall_decides_nothing():
    assert seen([*CALM, 0.001, 0.001]) == []


def test_a_freeze_is_told_once_and_bars_a_jump():
    rates = [*CALM, 0.08, 0.08]
    frozen = [False] * 5 + [True] * 17
    assert seen(rates, frozen) == [(5, "reject_frozen"), (20, "reject_frozen")]


def test_a_freeze_ends_the_watch_of_a_spike():
    frozen = [False] * 21 + [True] * 2
    assert seen([*CALM, 0.08, 0.08, 0.03], frozen) == [
        (20, "enter_position"),
        (21, "reject_frozen"),
    ]


def test_decisions_carry_symbol_and_rate():
    strategy = EwmaZScore.configure({})
    rates = np.array([*CALM, *CALM, 0.08])
    rows = len(rates)
    columns = {
        "rate": rates,
        "symbol": Text(np.zeros(rows, np.int32), ("GHO",)),
        "frozen": np.zeros(rows, np.bool_),
    }
    window = Window("pool", np.arange(rows), np.arange(rows), "PoolRateObserved", columns)
    ((row, decision),) = strategy.on_window(strategy.start("pool"), window)
    assert row == rows - 1
    assert decision.apr == 0.08
    assert decision.features["symbol"] == "GHO"
    assert decision.features["rate"] == 0.08


@pytest.mark.parametrize("kind", [PriceZScore, EwmaZScore])
@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": 0.0},
        {"alpha": 0.51},
        {"warmup": 0},
        {"warmup": True},
        {"threshold": 0.0},
        {"threshold": np.nan},
        {"threshold": "3"},
    ],
)
def test_parameters_out_of_bounds_are_refused(kind, wrong):
    with pytest.raises(ParameterInvalid, match=next(iter(wrong))):
        kind.configure(wrong)


def test_an_unknown_parameter_is_refused():
    with pytest.raises(UnknownName, match="did you mean 'warmup'"):
        EwmaZScore.configure({"warmpu": 3})
