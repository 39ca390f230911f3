"""A feed that is too fast: what is dropped is in the log, and a replay sees what the agent saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.engine.intake import recorded_intake
from runtime.errors import ConfigError, RunConflict
from runtime.events import TicksConflated, TicksRejected
from runtime.jobs.control import RunControl
from runtime.jobs.execution import execute
from runtime.jobs.launch import prepare
from runtime.jobs.verification import verify_store
from runtime.store import SqliteStore
from tests.support.jobs import (
    POOLS,
    Killed,
    KilledHosts,
    Outcome,
    job,
    rates_feed,
    run_in,
    watcher,
    write_rates,
)

HOURS = 400
ROWS = HOURS * len(POOLS)
EVENTS = {"conflate": TicksConflated, "reject": TicksRejected}
FAST = 3_600.0 * 1e6


def overloaded(
    folder: Path, overload: str, store: str = "log.db", pace: float | None = FAST, **run: Any
) -> dict[str, Any]:
    if not (folder / "rates.parquet").exists():
        write_rates(folder / "rates.parquet", HOURS)
    return {
        "run": {"name": "study", "pace": pace} | run,
        "store": {"path": store},
        "credit": {"events": 50, "batch": 5},
        "feeds": [rates_feed(overload=overload, backlog=10)],
    }


def dropped(store: Path) -> int:
    with SqliteStore.open(store, writer=False) as opened:
        stages = [name for name in opened.streams() if str(name).startswith("system-study/")]
        assert stages == ["system-study/watcher"]
        record = recorded_intake(opened, "study", "watcher")
        return int((record.codes(np.arange(ROWS)) > 0).sum())


def kinds(store: Path) -> set[str]:
    with SqliteStore.open(store, writer=False) as opened:
        return {event.type for event in opened.read_stream("system-study/watcher")}


@pytest.mark.parametrize("overload", ["conflate", "reject"])
def test_a_replay_drops_what_the_run_dropped(tmp_path: Path, overload: str) -> None:
    live = run_in(tmp_path, **overloaded(tmp_path, overload))
    lost = dropped(live.store)
    assert live.completed
    assert live.events == ROWS - lost
    assert lost > 0
    assert {"conflate": TicksConflated, "reject": TicksRejected}[overload].__name__ in kinds(
        live.store
    )
    again = run_in(tmp_path, **overloaded(tmp_path, overload, "again.db", replay="log.db"))
    assert again.root == live.root
    assert dropped(again.store) == lost
    every = run_in(tmp_path, **overloaded(tmp_path, overload, "every.db", pace=None))
    assert every.root != live.root
    assert every.events == ROWS


@pytest.mark.parametrize("overload", ["conflate", "reject"])
def test_what_was_decided_on_is_not_dropped_by_the_run_that_goes_on(
    tmp_path: Path, overload: str
) -> None:
    patient = overloaded(tmp_path, overload, snapshot_events=10_000)
    patient["feeds"][0]["backlog"] = 10_000
    with pytest.raises(Killed):
        execute(prepare(job(tmp_path, **patient)), KilledHosts, RunControl())
    second = run_in(tmp_path, **overloaded(tmp_path, overload))
    assert second.completed
    assert second.resumed
    assert not verify_store(second.store).damages
    again = run_in(tmp_path, **overloaded(tmp_path, overload, "again.db", replay="log.db"))
    assert again.root == second.root


def test_a_feed_that_blocks_loses_nothing_at_any_pace(tmp_path: Path) -> None:
    paced = run_in(tmp_path, **overloaded(tmp_path, "block"))
    free = run_in(tmp_path, **overloaded(tmp_path, "block", "free.db", pace=None))
    assert paced.root == free.root
    assert paced.events == free.events == ROWS


def test_the_latest_of_each_aggregate_is_kept(tmp_path: Path) -> None:
    live = run_in(tmp_path, **overloaded(tmp_path, "conflate"), agents=[watcher(every=1)])
    with SqliteStore.open(live.store, writer=False) as store:
        codes = recorded_intake(store, "study", "watcher").codes(np.arange(ROWS))
    kept = {at % len(POOLS) for at in range(ROWS - len(POOLS), ROWS) if not codes[at]}
    assert kept == set(range(len(POOLS)))


def test_facts_are_never_conflated(tmp_path: Path) -> None:
    feed = rates_feed(
        overload="conflate", event_type="TradeObserved", columns={"price": "rate", "size": "rate"}
    )
    with pytest.raises(ConfigError, match="'rates' cannot conflate: each TradeObserved is a fact"):
        job(tmp_path, feeds=[feed])


def test_blocks_are_for_history(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="signing_block is for history"):
        job(tmp_path, run={"name": "study", "signing_block": 5, "pace": 1.0})


def test_a_replay_of_another_run_is_refused(tmp_path: Path) -> None:
    run_in(tmp_path, **overloaded(tmp_path, "conflate"))
    other = overloaded(tmp_path, "conflate", "again.db", replay="log.db")
    with pytest.raises(RunConflict, match="holds no run 'study' of these feeds and agents"):
        run_in(tmp_path, **other, agents=[watcher(every=3)])


def test_another_policy_is_another_run(tmp_path: Path) -> None:
    first: Outcome = run_in(tmp_path, **overloaded(tmp_path, "conflate"))
    with pytest.raises(RunConflict):
        run_in(tmp_path, **overloaded(tmp_path, "reject"))
    assert first.completed
