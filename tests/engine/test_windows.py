from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.engine.ipc import write_ipc
from runtime.engine.windows import columns_for, read_rows
from runtime.errors import ConfigError
from runtime.events import id_text, named_id, observation_id
from tests.support.rows import observed

INPUTS = {"rate": float, "symbol": str, "frozen": bool}


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=20).map(sorted))
def test_each_aggregate_has_one_window_of_all_its_rows(names: list[str]):
    batch = observed(names, rate=[float(number) for number in range(len(names))])
    windows = list(read_rows(batch, {"rate": float}).windows())
    assert [window.aggregate for _, window in windows] == sorted(set(names))
    assert sum(len(window) for _, window in windows) == len(names)
    for start, window in windows:
        assert names[start] == window.aggregate
        expected = [float(n) for n, name in enumerate(names) if name == window.aggregate]
        assert window["rate"].tolist() == expected


def test_an_input_that_the_rows_lack_is_empty_throughout():
    ((_, window),) = read_rows(observed(["a", "a"]), INPUTS).windows()
    assert np.isnan(window["rate"]).all()
    assert window["symbol"].tolist() == ["", ""]
    assert window["frozen"].tolist() == [False, False]


def test_a_missing_value_is_empty():
    batch = observed(["a", "a"], rate=[None, 0.5], symbol=[None, "DAI"], frozen=[None, True])
    ((_, window),) = read_rows(batch, INPUTS).windows()
    assert np.isnan(window["rate"][0])
    assert window["rate"][1] == 0.5
    assert window["symbol"].tolist() == ["", "DAI"]
    assert window["frozen"].tolist() == [False, True]


def test_a_window_tells_when_its_rows_happened_and_were_known():
    batch = observed(["a", "a", "b"], event_time=[1, 2, 3], known_at=[5, 5, 9])
    first, second = (window for _, window in read_rows(batch, {}).windows())
    assert (first.time.tolist(), first.known_at.tolist()) == ([1, 2], [5, 5])
    assert (second.time.tolist(), second.known_at.tolist()) == ([3], [9])


def test_rows_of_several_types_keep_theirs():
    batch = observed(["a", "a", "b"], type=["PriceObserved", "TradeObserved", "PriceObserved"])
    first, second = (window for _, window in read_rows(batch, {}).windows())
    assert first.types == ["PriceObserved", "TradeObserved"]
    assert second.types == ["PriceObserved"]


def test_the_cause_of_a_decision_is_its_row():
    rows = read_rows(observed(["a", "b"], row=[7, 9], position=[70, 90]), {})
    cause = rows.cause(1)
    assert (cause.source, cause.row, cause.position, cause.time) == ("rates", 9, 90, 1)
    assert cause.event_id == id_text(observation_id("rates", 9))
    assert rows.protocol_of(1) is None


def test_the_cause_of_a_decision_on_a_decision_is_that_decision():
    ids = pa.array([named_id("x"), named_id("y")], pa.binary(16))
    rows = read_rows(observed(["a", "b"], id=ids, protocol=["aave", "comet"]), {})
    assert rows.cause(1).event_id == id_text(named_id("y"))
    assert rows.protocol_of(1) == "comet"


def test_a_slice_of_a_message_is_read_like_a_message():
    batch = observed(["a", "b", "b"], rate=[0.1, None, 0.3], symbol=["x", None, "z"])
    (_, window), *_ = read_rows(batch.slice(1), INPUTS).windows()
    assert (window.aggregate, window["symbol"].tolist()) == ("b", ["", "z"])


def test_strategies_of_one_stage_share_their_columns():
    assert columns_for([{"a": str}, {"b": float, "a": str}]) == {"a": str, "b": float}
    assert list(columns_for([{"b": float}, {"a": str}])) == ["b", "a"]
    with pytest.raises(ConfigError, match="read 'a' as str and as float"):
        columns_for([{"a": str}, {"a": float}])


READING = """
import sys

from runtime.engine.actor import HostActor
from runtime.engine.ipc import read_ipc
from runtime.engine.windows import read_rows

sent = read_ipc(sys.stdin.buffer.read())
columns = read_rows(sent, {"rate": float, "frozen": bool, "symbol": str}).columns
print(*(columns[name].tolist() for name in ("rate", "frozen", "symbol")))
heavy = ("pandas", "sqlite3", "runtime.feeds", "runtime.store")
print([name for name in heavy if name in sys.modules])
"""


def test_a_host_imports_nothing_that_it_does_not_need() -> None:
    symbols, flags = ["dai", None, "usdc"], [True, False, True]
    batch = observed(["a"] * 3, rate=[0.1, 0.2, 0.3], frozen=flags, symbol=symbols)
    command = [sys.executable, "-c", READING]
    sent = write_ipc(batch).to_pybytes()
    ended = subprocess.run(command, input=sent, capture_output=True, check=True)
    read, imported = ended.stdout.decode().splitlines()
    assert read == "[0.1, 0.2, 0.3] [True, False, True] ['dai', '', 'usdc']"
    assert imported == "[]"
