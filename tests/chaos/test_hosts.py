"""Hosts of a real Ray run die, hang, or are scaled, and the log ends as if nothing had happened."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from runtime.engine.results import Who
from runtime.jobs.config import RunConfig
from runtime.jobs.launch import run
from runtime.jobs.quarantine import cases
from runtime.jobs.verification import verify_store
from runtime.store import SqliteStore
from tests.chaos.live import Live, working
from tests.laws.study import ROOT, arithmetic
from tests.support.jobs import job, watcher
from tests.support.strategies import HERE

pytestmark = pytest.mark.ray
SMALL = {"batch": 64, "events": 512}


@pytest.fixture
def live(tmp_path: Path, ray_session: None, request: pytest.FixtureRequest) -> Live:
    changes = getattr(request, "param", {})
    return Live(
        arithmetic(tmp_path / "log.db", shell="ray", credit=SMALL, snapshot_events=2_000, **changes)
    )


def check(live: Live) -> None:
    outcome = live.outcome()
    assert outcome.completed
    assert outcome.root == ROOT
    assert verify_store(outcome.store).damages == ()


@pytest.mark.parametrize("case", range(3))
def test_a_host_that_is_killed_is_replaced(live: Live, case: int) -> None:
    rng = random.Random(case)
    killed: set[int] = set()
    while not live.over and len(killed) < 3:
        status = live.until(lambda s: [h for h in working(s) if h.host not in killed])
        fresh = [host for host in working(status) if host.host not in killed]
        if fresh:
            victim = rng.choice(fresh)
            killed.add(victim.host)
            live.kill_host(victim)
    assert killed
    check(live)


def test_all_hosts_are_killed_at_once(live: Live) -> None:
    status = live.until(lambda s: len(working(s)) == 2)
    for host in status.hosts:
        live.kill_host(host)
    check(live)


def test_the_supervisor_is_killed_and_started_again(live: Live) -> None:
    for _ in range(2):
        status = live.until(working)
        assert working(status)
        live.kill_supervisor()
        live.until(lambda s: not working(s))
    check(live)


def test_a_run_is_scaled_out_and_in_while_hosts_die(live: Live) -> None:
    live.until(working)
    live.remote.drain()
    live.remote.scale(6)
    status = live.until(lambda s: len([h for h in s.hosts if h.groups]) == 6)
    live.remote.resume()
    assert not live.over, "the run was over before it had six hosts"
    live.kill_host(working(status)[0])
    live.remote.scale(3)
    live.until(lambda s: {h.slot for h in s.hosts if h.groups} == {0, 1, 2})
    check(live)


def test_hosts_die_while_others_take_over(live: Live, tmp_path: Path) -> None:
    """An upgrade ends as if nothing had happened: as a replay that switches at the same place."""
    live.until(working)
    live.remote.drain()
    live.until(lambda s: s.phase == "drained")
    longer = f"{HERE}:FollowLonger"
    changed = arithmetic(tmp_path / "log.db", shell="ray", snapshot_events=2_000, follow=longer)
    live.remote.upgrade(changed)
    status = live.until(lambda s: [h for h in s.hosts if h.state == "next"])
    live.kill_host(next(h for h in status.hosts if h.state == "next"))
    live.kill_host(working(status)[0])
    stands = live.until(lambda s: s.upgrade is not None and s.upgrade.state == "done").upgrade
    assert stands is not None
    assert stands.since.keys() == {"follower"}
    live.remote.resume()
    live.kill_host(live.until(working).hosts[0])
    outcome = live.outcome()
    assert outcome.completed
    assert verify_store(outcome.store).damages == ()
    again = arithmetic(tmp_path / "again.db", snapshot_events=2_000, follow=longer)
    assert run(again.changed("run", replay="log.db")).root == outcome.root


def test_a_drained_run_goes_on_when_it_is_resumed(live: Live) -> None:
    live.until(working)
    live.remote.drain()
    drained = live.until(lambda s: s.phase == "drained")
    assert drained.phase == "drained"
    assert all(stage.credit.events == 0 for stage in drained.stages.values())
    live.remote.resume()
    check(live)


@pytest.mark.parametrize(("hang", "deadline"), [(False, 60.0), (True, 1.5)])
def test_an_event_that_hosts_die_of_is_found_and_parked(
    tmp_path: Path, ray_session: None, hang: bool, deadline: float
) -> None:
    def config(name: str) -> RunConfig:
        parameters = {"antidote": str(tmp_path / "antidote"), "hang": hang}
        deadly = {"name": "deadly", "strategy": f"{HERE}:Deadly", "parameters": parameters}
        agents = [deadly | {"listens": ["PoolRateObserved"]}, watcher()]
        hosts = {"shell": "ray", "count": 2, "deadline": deadline}
        return job(tmp_path, agents=agents, hosts=hosts, store={"path": name}, credit={})

    sick = Live(config("log.db")).outcome()
    assert (sick.completed, sick.parked) == (False, 2)
    with SqliteStore.open(sick.store, writer=False) as store:
        parked = cases(store, "study")
    assert {case.standing.agent for case in parked} == {"deadly", "watcher"}
    assert {(case.standing.aggregate, case.held) for case in parked} == {("celo/usdc", 5)}
    (tmp_path / "antidote").touch()
    whole = Live(config("whole.db")).outcome()
    cured = Live(config("log.db"), *[Who(c.standing.agent, "celo/usdc") for c in parked]).outcome()
    assert (cured.completed, cured.root) == (True, whole.root)
    assert verify_store(cured.store).damages == ()
