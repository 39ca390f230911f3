from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from runtime import Query, decisions
from runtime.errors import StoreMissing
from runtime.jobs.records import SCHEMA, tally
from runtime.store import SqliteStore
from tests.support.damage import stored
from tests.support.jobs import HOUR, START, run_in


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_in(tmp_path_factory.mktemp("log")).store


def test_decisions_are_a_frame_in_log_order(log: Path):
    frame = decisions(log)
    assert list(frame.columns) == SCHEMA.names
    assert frame["position"].tolist() == [
        event.position for event in stored(log) if event.stream.startswith("agent-")
    ]
    first = frame.iloc[0]
    assert (first["agent"], first["aggregate"], first["action"]) == (
        "watcher",
        "base/usdc",
        "enter_position",
    )
    assert first["time"] == pd.Timestamp(START + HOUR, unit="ns", tz="UTC")
    assert first["yield"] == 3.1
    assert pd.isna(frame[frame["agent"] == "follower"]["yield"]).all()
    assert first["features"] == '{"symbol":"USDC","before":0.03,"count":2}'


@pytest.mark.parametrize(
    ("query", "count"),
    [
        (Query(), 36),
        (Query(agent="watcher"), 12),
        (Query(agent="watch"), 0),
        (Query(aggregate="USDC"), 16),
        (Query(agent="watcher", aggregate="base/dai"), 4),
        (Query(action="rotate"), 12),
        (Query(action="rot"), 0),
        (Query(since=START + 3 * HOUR), 27),
        (Query(until=START + 3 * HOUR), 9),
        (Query(since=START + 3 * HOUR, until=START + 3 * HOUR + 1), 9),
        (Query(agent="follower", action="hold", since=START + 7 * HOUR), 3),
    ],
)
def test_decisions_can_be_asked_for_by_what_they_are(log: Path, query: Query, count: int):
    frame = decisions(log, query)
    assert len(frame) == count
    assert list(frame.columns) == SCHEMA.names


def test_a_tally_counts_what_was_asked_for(log: Path):
    with SqliteStore.open(log, writer=False) as store:
        counted = tally(store, Query(agent="follower"))
    assert dict(counted.kinds) == {
        ("follower", "PositionRecommended", "hold"): 12,
        ("follower", "AgentDecisionMade", "rotate"): 12,
    }
    assert dict(counted.aggregates) == {"USDC": 16, "DAI": 8}
    assert counted.last == decisions(log).iloc[-1]["event_id"]


def test_an_empty_store_has_an_empty_frame(tmp_path: Path):
    SqliteStore.open(tmp_path / "log.db").close()
    frame = decisions(tmp_path / "log.db")
    assert (len(frame), list(frame.columns)) == (0, SCHEMA.names)
    with pytest.raises(StoreMissing):
        decisions(tmp_path / "other.db")
