"""A strategy that raises parks its aggregate, and no other: a real run, its log, its release."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from runtime.engine.messages import ReleaseRequested
from runtime.engine.results import Who
from runtime.jobs.config import RunConfig
from runtime.jobs.control import RunControl
from runtime.jobs.execution import Outcome, execute
from runtime.jobs.launch import prepare
from runtime.jobs.quarantine import cases
from runtime.jobs.records import decisions
from runtime.jobs.verification import verify_store
from runtime.store import SqliteStore
from tests.support.jobs import LocalHosts, follower, job, watcher
from tests.support.strategies import HERE, Moody
from tests.support.waiting import until

MOODY = {"name": "moody", "strategy": f"{HERE}:Moody", "listens": ["PoolRateObserved"]}
POOL = "celo/usdc"
WHO = Who("moody", POOL)


@pytest.fixture
def bad_mood(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the pools on whose fourth event Moody raises."""

    def mood(*pools: str) -> None:
        monkeypatch.setattr(Moody, "hated", pools)

    return mood


def carry_out(config: RunConfig, *asked: ReleaseRequested) -> Outcome:
    control = RunControl()
    for request in asked:
        control.release(request.who, drop=request.drop)
    return execute(prepare(config), LocalHosts, control)


def small(folder: Path, name: str = "log.db", **changes: Any) -> RunConfig:
    agents = [MOODY, watcher()]
    return job(folder, **{"agents": agents, "store": {"path": name}, **changes})


def told(store: Path, agent: str, aggregate: str | None = None) -> pd.DataFrame:
    frame = decisions(store)
    frame = frame[frame.agent == agent]
    return frame if aggregate is None else frame[frame["aggregate"] == aggregate]


def test_only_the_aggregate_it_raises_on_is_parked(tmp_path: Path, bad_mood: Any) -> None:
    whole = carry_out(small(tmp_path, "whole.db"))
    assert (whole.completed, whole.parked) == (True, 0)
    bad_mood(POOL)
    outcome = carry_out(small(tmp_path))
    assert (outcome.completed, outcome.parked) == (False, 1)
    assert len(told(outcome.store, "moody", POOL)) == 3
    for agent, aggregate in (("moody", "base/dai"), ("moody", "base/usdc"), ("watcher", POOL)):
        assert len(told(outcome.store, agent, aggregate)) == len(
            told(whole.store, agent, aggregate)
        )
    assert verify_store(outcome.store).damages == ()


def test_the_log_says_why_and_what_is_held(tmp_path: Path, bad_mood: Any) -> None:
    bad_mood(POOL)
    outcome = carry_out(small(tmp_path))
    with SqliteStore.open(outcome.store, writer=False) as store:
        (case,) = cases(store, "study")
    assert (case.standing.agent, case.standing.aggregate) == WHO
    assert case.held == 5
    assert case.parked.error == "RuntimeError: I do not like celo/usdc"
    assert "in on_event" in case.parked.trace
    assert case.parked.version == "1"


@pytest.mark.parametrize("credit", [{"batch": 1, "events": 1}, {"batch": 5}, {}])
def test_a_release_brings_the_log_it_would_have_been(
    tmp_path: Path, bad_mood: Any, credit: dict[str, int]
) -> None:
    whole = carry_out(small(tmp_path, "whole.db"))
    bad_mood(POOL, "base/dai")
    assert carry_out(small(tmp_path, credit=credit)).parked == 2
    bad_mood()
    first = carry_out(small(tmp_path, credit=credit), ReleaseRequested(WHO))
    assert (first.parked, first.completed) == (1, False)
    last = carry_out(small(tmp_path), ReleaseRequested(Who("moody", "base/dai")))
    assert (last.parked, last.completed, last.root) == (0, True, whole.root)
    assert verify_store(last.store).damages == ()


def test_what_raises_again_is_parked_again(tmp_path: Path, bad_mood: Any) -> None:
    bad_mood(POOL)
    before = carry_out(small(tmp_path))
    again = carry_out(small(tmp_path), ReleaseRequested(WHO))
    assert (again.parked, again.root) == (1, before.root)


def test_a_poisonous_event_can_be_dropped(tmp_path: Path, bad_mood: Any) -> None:
    bad_mood(POOL)
    carry_out(small(tmp_path))
    dropped = carry_out(small(tmp_path), ReleaseRequested(WHO, drop=True))
    assert (dropped.parked, dropped.completed) == (0, True)
    assert len(told(dropped.store, "moody", POOL)) == 7
    assert verify_store(dropped.store).damages == ()


def test_what_asks_to_be_tried_again_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = carry_out(small(tmp_path, "whole.db"))
    monkeypatch.setattr(Moody, "patience", 2)
    monkeypatch.setattr(Moody, "hated", (POOL,))
    outcome = carry_out(small(tmp_path))
    assert (outcome.parked, outcome.completed, outcome.root) == (0, True, whole.root)


def test_what_waits_to_be_tried_again_is_tried_when_the_run_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = carry_out(small(tmp_path, "whole.db"))
    monkeypatch.setattr(Moody, "patience", 2)
    monkeypatch.setattr(Moody, "hated", (POOL,))
    monkeypatch.setattr(Moody, "tried", 0)
    monkeypatch.setattr(Moody, "after", 600.0)
    control = RunControl()
    with ThreadPoolExecutor() as pool:
        run = pool.submit(execute, prepare(small(tmp_path)), LocalHosts, control)
        until(lambda: (WHO,) in control.status().parked.values(), "it was not parked")
        control.stop()
    assert (run.result().parked, run.result().completed) == (1, False)
    monkeypatch.setattr(Moody, "hated", ())
    resumed = carry_out(small(tmp_path))
    assert (resumed.parked, resumed.completed, resumed.root) == (0, True, whole.root)


def test_what_is_decided_late_is_passed_over_by_later_stages_whoever_reads_again(
    tmp_path: Path, bad_mood: Any
) -> None:
    def config() -> RunConfig:
        after = follower(listens=["AgentDecisionMade"], key="aggregate")
        return job(tmp_path, agents=[MOODY, after], store={"path": "log.db"})

    bad_mood(POOL)
    assert carry_out(config()).parked == 1
    bad_mood()
    released = carry_out(config(), ReleaseRequested(WHO))
    assert (released.completed, len(told(released.store, "moody", POOL))) == (True, 8)
    assert len(told(released.store, "follower", POOL)) == 3 * 2
    with closing(sqlite3.connect(released.store)) as connection, connection:
        connection.execute("UPDATE snapshot_parts SET state = x'00'")
    assert carry_out(config()).root == released.root, "decided again from the beginning"
