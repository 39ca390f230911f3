"""A strategy that changes in mid-run: from the position that the log names, and only there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runtime.engine.commands import HostCommand
from runtime.engine.local import LocalHosts
from runtime.engine.messages import ReleaseRequested
from runtime.engine.results import Who
from runtime.errors import RunConflict, StateInvalid
from runtime.events import StrategyUpgraded, read_metadata
from runtime.jobs.config import RunConfig
from runtime.jobs.control import RunControl
from runtime.jobs.execution import execute
from runtime.jobs.launch import prepare, run_job
from runtime.jobs.verification import verify_store
from runtime.store import SqliteStore
from tests.support.jobs import (
    Killed,
    KilledHosts,
    Outcome,
    job,
    run_in,
    run_until,
    watcher,
    write_rates,
)

EVERY_SECOND, EVERY = {"every": 2}, {"every": 1}


def agents(parameters: dict[str, int], strategy: str = "Watch") -> dict[str, Any]:
    one = watcher(parameters=parameters, strategy=f"tests.support.strategies:{strategy}")
    return {"agents": [one], "run": {"name": "study", "snapshot_events": 20}}


def upgraded(folder: Path, **changes: Any) -> Outcome:
    return run_job(prepare(job(folder, **changes), upgrade=True))


def stopped(folder: Path, parts: int = 9) -> None:
    if not (folder / "rates.parquet").exists():
        write_rates(folder / "rates.parquet", 100)
    assert not run_until(job(folder, **agents(EVERY_SECOND)), parts).completed


def kinds(config: RunConfig) -> list[str]:
    with SqliteStore.open(config.store_place, writer=False) as opened:
        return [event.type for event in opened.read_stream("system-study")]


def switch(store: Path) -> StrategyUpgraded:
    with SqliteStore.open(store, writer=False) as opened:
        (event,) = (
            one for one in opened.read_stream("system-study") if one.type == "StrategyUpgraded"
        )
        return StrategyUpgraded.model_validate_json(event.data)


def decided(store: Path) -> dict[int, tuple[str, int]]:
    """The aggregate and the threshold of each decision, by the position of its cause."""
    found = {}
    with SqliteStore.open(store, writer=False) as opened:
        for event in opened.read_all():
            if event.stream.startswith("agent-"):
                data = msgspec.json.decode(event.data)
                position = int(read_metadata(event.metadata)["position"])
                found[position] = event.stream, data["thresholds"]["every"]
    return found


def test_it_decides_otherwise_from_the_recorded_position_on(tmp_path: Path) -> None:
    stopped(tmp_path)
    ended = upgraded(tmp_path, **agents(EVERY))
    since = switch(ended.store).since
    assert ended.completed
    assert 0 < since < 300
    by_position = decided(ended.store)
    assert {every for at, (_, every) in by_position.items() if at < since} == {2}
    assert {at for at, (_, every) in by_position.items() if every == 1} == set(range(since, 300))
    assert not verify_store(ended.store).damages


def test_its_state_and_its_chain_are_carried_over(tmp_path: Path) -> None:
    stopped(tmp_path)
    ended = upgraded(tmp_path, **agents(EVERY, "WatchLonger"))
    with SqliteStore.open(ended.store, writer=False) as store:
        events = list(store.read_stream("agent-watcher/base/usdc"))
    last = msgspec.json.decode(events[-1].data)
    assert last["features"]["count"] == 100
    assert last["strategy"]["version"] == "2"
    assert not verify_store(ended.store).damages


@pytest.mark.parametrize("parts", [1, 4, 12])
def test_where_it_is_stopped_again_changes_nothing(tmp_path: Path, parts: int) -> None:
    """Two runs that switch at the same position end with the same root."""
    roots = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        stopped(folder)
    roots.append(upgraded(tmp_path / "one", **agents(EVERY)))
    config = job(tmp_path / "two", **agents(EVERY))
    again = run_until(config, parts, upgrade=True)
    roots.append(run_in(tmp_path / "two", **agents(EVERY)) if not again.completed else again)
    assert switch(roots[0].store).since == switch(roots[1].store).since
    assert roots[0].root == roots[1].root


def test_what_changed_is_refused_unless_it_is_asked_for(tmp_path: Path) -> None:
    stopped(tmp_path)
    with pytest.raises(RunConflict, match="lucent upgrade CONFIG"):
        run_in(tmp_path, **agents(EVERY))


def test_the_version_before_is_refused_once_it_was_upgraded(tmp_path: Path) -> None:
    stopped(tmp_path)
    run_until(job(tmp_path, **agents(EVERY)), 3, upgrade=True)
    with pytest.raises(
        RunConflict, match=r"'watcher' of run 'study' decides with watch 1 \("
    ) as told:
        run_in(tmp_path, **agents(EVERY_SECOND))
    assert "; its every is 1, not 2. Run it with the config of its last upgrade" in str(told.value)
    assert run_in(tmp_path, **agents(EVERY)).completed


def test_a_complete_run_has_nothing_to_upgrade(tmp_path: Path) -> None:
    assert run_in(tmp_path, **agents(EVERY_SECOND)).completed
    with pytest.raises(RunConflict, match="nothing to upgrade"):
        upgraded(tmp_path, **agents(EVERY))


@pytest.mark.parametrize(
    ("strategy", "why"),
    [
        ("WatchOtherwise", "does not fit state SeenOtherwise"),
        ("WatchLess", "state SeenLess has no field 'last'"),
    ],
)
def test_a_state_that_cannot_be_read_on_is_refused_before_anything_is_recorded(
    tmp_path: Path, strategy: str, why: str
) -> None:
    stopped(tmp_path)
    before = kinds(job(tmp_path, **agents(EVERY_SECOND)))
    with pytest.raises(StateInvalid, match=why):
        upgraded(tmp_path, **agents(EVERY, strategy))
    assert kinds(job(tmp_path, **agents(EVERY_SECOND))) == before
    assert run_in(tmp_path, **agents(EVERY_SECOND)).completed


def test_other_agents_are_no_upgrade(tmp_path: Path) -> None:
    stopped(tmp_path)
    with pytest.raises(RunConflict, match="with other agents"):
        upgraded(tmp_path, agents=[watcher(), watcher("second")])


def test_nothing_is_recorded_where_nothing_changed(tmp_path: Path) -> None:
    stopped(tmp_path)
    ended = upgraded(tmp_path, **agents(EVERY_SECOND))
    with SqliteStore.open(ended.store, writer=False) as store:
        kinds = [event.type for event in store.read_stream("system-study")]
    assert kinds == ["RunStarted", "RunPaused", "RunResumed", "RunCompleted"]


def test_a_replay_switches_where_the_run_did(tmp_path: Path) -> None:
    stopped(tmp_path)
    ended = upgraded(tmp_path, **agents(EVERY, "WatchLonger"))
    settings = agents(EVERY, "WatchLonger")
    settings["run"]["replay"] = "log.db"
    again = run_in(tmp_path, **settings, store={"path": "again.db"})
    assert again.root == ended.root
    assert switch(again.store) == switch(ended.store).model_copy(update={"code": {}})


def test_a_run_that_was_not_stopped_in_order_is_not_upgraded(tmp_path: Path) -> None:
    write_rates(tmp_path / "rates.parquet", 100)
    with pytest.raises(Killed):
        execute(prepare(job(tmp_path, **agents(EVERY_SECOND))), KilledHosts, RunControl())
    with pytest.raises(RunConflict, match="not stopped in order"):
        upgraded(tmp_path, **agents(EVERY))


class StillbornHosts(LocalHosts):
    """End the run before anything is decided, as code does that cannot read the state."""

    def carry_out(self, command: HostCommand) -> None:
        raise Killed


def test_an_upgrade_that_never_decided_is_upgraded_from_where_it_was_to(tmp_path: Path) -> None:
    stopped(tmp_path)
    stillborn = prepare(job(tmp_path, **agents(EVERY, "WatchLonger")), upgrade=True)
    with pytest.raises(Killed):
        execute(stillborn, StillbornHosts, RunControl())
    assert kinds(job(tmp_path, **agents(EVERY)))[-2:] == ["StrategyUpgraded", "RunResumed"]
    ended = upgraded(tmp_path, **agents({"every": 3}))
    assert ended.completed
    assert {every for _, every in decided(ended.store).values()} == {2, 3}
    assert not verify_store(ended.store).damages


def test_a_crash_behind_the_switch_changes_nothing(tmp_path: Path) -> None:
    roots = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        stopped(tmp_path / name)
    roots.append(upgraded(tmp_path / "one", **agents(EVERY, "WatchLonger")).root)
    second = job(tmp_path / "two", **agents(EVERY, "WatchLonger"))
    with pytest.raises(Killed):
        execute(prepare(second, upgrade=True), KilledHosts, RunControl())
    roots.append(run_in(tmp_path / "two", **agents(EVERY, "WatchLonger")).root)
    assert roots[0] == roots[1]


def test_a_mended_strategy_heals_what_is_in_quarantine(tmp_path: Path) -> None:
    write_rates(tmp_path / "rates.parquet", 100, shift=0.42)
    broken = run_in(tmp_path, **agents({}, "Failing"))
    assert broken.parked
    mended = prepare(job(tmp_path, **agents({}, "Mended")), upgrade=True)
    who = Who("watcher", "celo/usdc")
    ended = run_job(replace(mended, releases=(ReleaseRequested(who),)))
    with SqliteStore.open(ended.store, writer=False) as store:
        assert store.revision("agent-watcher/celo/usdc") == 99
    assert not verify_store(ended.store).damages


@pytest.mark.parametrize("other", [EVERY_SECOND, {"every": 3}])
def test_a_replay_with_another_config_than_the_last_is_refused(
    tmp_path: Path, other: dict[str, int]
) -> None:
    stopped(tmp_path)
    upgraded(tmp_path, **agents(EVERY))
    settings = agents(other)
    settings["run"]["replay"] = "log.db"
    with pytest.raises(RunConflict, match="holds no run 'study' of these feeds and agents"):
        run_in(tmp_path, **settings, store={"path": "again.db"})
