"""A strategy that changes while its run goes on: hosts take over at a position the log names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime.engine.commands import HostsCommand, Send
from runtime.engine.local import LocalHosts
from runtime.engine.messages import ReleaseRequested
from runtime.engine.plan import RunPlan
from runtime.engine.statistics import UpgradeStats
from runtime.errors import LucentError, RunConflict
from runtime.jobs.code import Edited
from runtime.jobs.config import RunConfig
from runtime.jobs.control import RunControl
from runtime.jobs.execution import Outcome, execute
from runtime.jobs.launch import prepare
from runtime.jobs.proposal import Proposal, Question, propose
from runtime.jobs.rolling import Resolve
from runtime.jobs.verification import verify_store
from runtime.store import SqliteStore
from tests.laws.test_upgrade import EVERY, EVERY_SECOND, agents, decided, switch
from tests.support import strategies
from tests.support.jobs import (
    Killed,
    follower,
    job,
    rates_feed,
    run_in,
    watcher,
    write_rates,
)
from tests.support.strategies import HERE, Watch

AFTER = 9
"""Parts that hosts are sent before the upgrade is asked for."""


class RollingHosts(LocalHosts):
    """Asks for an upgrade `after` so many parts of a stage, and dies at a `deadly` number."""

    ask: Callable[[], object]
    parts = 0
    deadly = -1
    stage = ""
    after = AFTER

    def carry_out(self, command: HostsCommand) -> None:
        super().carry_out(command)
        if isinstance(command, Send) and command.stage.startswith(self.stage):
            self.parts += 1
            if self.parts == self.after:
                self.ask()
        if self.parts == self.deadly:
            raise Killed


class Rolled:
    """A run that is upgraded while it goes on: how it ended, and what became of the upgrade."""

    def __init__(
        self, before: RunConfig, now: RunConfig, resolve: Resolve = propose, **settings: Any
    ) -> None:
        self.control = RunControl()
        self.refused: list[LucentError] = []
        self._now, self._resolve, self._settings = now, resolve, settings
        self.outcome: Outcome = execute(prepare(before), self._hosts, self.control)

    @property
    def upgrade(self) -> UpgradeStats | None:
        return self.control.status().upgrade

    def ask(self) -> None:
        try:
            self.control.upgrade(self._now, self._resolve)
        except LucentError as error:
            self.refused.append(error)

    def _hosts(self, plan: RunPlan, post: Any, load: Any) -> RollingHosts:
        hosts = RollingHosts(plan, post, load)
        hosts.ask = self.ask
        for name, value in self._settings.items():
            setattr(hosts, name, value)
        return hosts


def rolled(folder: Path, changes: dict[str, Any], **options: Any) -> Rolled:
    folder.mkdir(exist_ok=True)
    if not (folder / "rates.parquet").exists():
        write_rates(folder / "rates.parquet", 100)
    return Rolled(job(folder, **agents(EVERY_SECOND)), job(folder, **changes), **options)


def kinds(store: Path, stream: str = "system-study") -> list[str]:
    with SqliteStore.open(store, writer=False) as opened:
        return [event.type for event in opened.read_stream(stream)]


def test_hosts_take_over_at_the_recorded_position_without_a_stop(tmp_path: Path) -> None:
    ended = rolled(tmp_path, agents(EVERY, "WatchLonger"))
    store = ended.outcome.store
    since = switch(store).since
    assert ended.upgrade == UpgradeStats(1, "done", since={"watcher": since})
    assert ended.outcome.completed
    assert 0 < since < 300
    by_position = decided(store)
    assert {every for at, (_, every) in by_position.items() if at < since} == {2}
    assert {at for at, (_, every) in by_position.items() if every == 1} == set(range(since, 300))
    assert kinds(store) == ["RunStarted", "StrategyUpgraded", "RunCompleted"]
    assert not verify_store(store).damages


def test_it_is_as_if_the_run_had_been_stopped_there(tmp_path: Path) -> None:
    ended = rolled(tmp_path, agents(EVERY))
    settings = agents(EVERY)
    settings["run"]["replay"] = "log.db"
    again = run_in(tmp_path, **settings, store={"path": "again.db"})
    assert again.root == ended.outcome.root
    assert switch(again.store) == switch(ended.outcome.store).model_copy(update={"code": {}})


def test_later_stages_take_over_too(tmp_path: Path) -> None:
    write_rates(tmp_path / "rates.parquet", 100)
    run = {"name": "study", "snapshot_events": 20}
    before = job(tmp_path, run=run, agents=[watcher(), follower()])
    longer = f"{HERE}:FollowLonger"
    now = job(tmp_path, run=run, agents=[watcher(every=1), follower(strategy=longer)])
    ended = Rolled(before, now)
    assert kinds(ended.outcome.store).count("StrategyUpgraded") == 2
    assert ended.outcome.completed
    assert not verify_store(ended.outcome.store).damages
    replayed = job(
        tmp_path,
        run=run | {"replay": "log.db"},
        agents=[watcher(every=1), follower(strategy=longer)],
        store={"path": "again.db"},
    )
    assert execute(prepare(replayed), LocalHosts, RunControl()).root == ended.outcome.root


def test_what_was_held_before_and_behind_it_is_released_together(tmp_path: Path) -> None:
    write_rates(tmp_path / "rates.parquet", 100, shift=0.48)
    run = {"name": "study", "snapshot_events": 20}
    before, now = (
        job(tmp_path, run=run, agents=[watcher(every=1), follower(strategy=f"{HERE}:{name}")])
        for name in ("FollowAfraid", "FollowLonger")
    )
    ended = Rolled(before, now, stage="follower", after=2)
    assert kinds(ended.outcome.store).count("StrategyUpgraded") == 1
    parked = [who for those in ended.control.status().parked.values() for who in those]
    assert parked
    releases = tuple(map(ReleaseRequested, parked))
    released = execute(replace(prepare(now), releases=releases), LocalHosts, RunControl())
    assert released.completed
    assert not verify_store(released.store).damages


@pytest.mark.parametrize("deadly", [12, 25, 40])
def test_a_supervisor_that_is_started_again_goes_on_with_what_took_over(
    tmp_path: Path, deadly: int
) -> None:
    whole = rolled(tmp_path / "one", agents(EVERY, "WatchLonger")).outcome
    with pytest.raises(Killed):
        rolled(tmp_path / "two", agents(EVERY, "WatchLonger"), deadly=deadly)
    second = prepare(job(tmp_path / "two", **agents(EVERY_SECOND)))
    again = execute(replace(second, again=True), LocalHosts, RunControl())
    assert again.completed
    assert again.root == whole.root
    assert not verify_store(again.store).damages


def test_it_needs_nothing_of_the_code_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strategies, "Before", Watch, raising=False)
    write_rates(tmp_path / "rates.parquet", 100)
    before = job(tmp_path, **agents(EVERY_SECOND, "Before"))
    with pytest.raises(Killed):
        Rolled(before, job(tmp_path, **agents(EVERY, "WatchLonger")), deadly=40)
    second = prepare(before)
    monkeypatch.delattr(strategies, "Before")
    again = execute(replace(second, again=True), LocalHosts, RunControl())
    assert again.completed
    assert {every for _, every in decided(again.store).values()} == {1, 2}


def test_the_config_before_is_refused_from_then_on(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        rolled(tmp_path, agents(EVERY), deadly=40)
    with pytest.raises(RunConflict, match="lucent upgrade CONFIG"):
        run_in(tmp_path, **agents(EVERY_SECOND))
    assert run_in(tmp_path, **agents(EVERY)).completed


def test_hosts_that_cannot_load_it_leave_the_run_as_it_is(tmp_path: Path) -> None:
    def broken(question: Question) -> Proposal:
        proposal = propose(question)
        (stage,) = proposal.plan.stages
        (agent,) = stage.agents
        agent = replace(agent, strategy=f"{HERE}:Missing")
        plan = replace(proposal.plan, stages=(replace(stage, agents=(agent,)),))
        return replace(proposal, plan=plan)

    ended = rolled(tmp_path / "one", agents(EVERY), resolve=broken)
    assert ended.upgrade is not None
    assert (ended.upgrade.state, ended.upgrade.since) == ("refused", {})
    assert "Missing" in ended.upgrade.why
    (tmp_path / "two").mkdir()
    write_rates(tmp_path / "two" / "rates.parquet", 100)
    assert ended.outcome.root == run_in(tmp_path / "two", **agents(EVERY_SECOND)).root


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (agents(EVERY_SECOND), "says already"),
        (agents(EVERY) | {"agents": [watcher(), watcher("second")]}, "has the agents watcher"),
        (agents(EVERY) | {"run": {"name": "other"}}, "config of run 'other', not of 'study'"),
        (agents(EVERY) | {"feeds": [rates_feed(protocol="other")]}, "more than strategies"),
        (agents({}, "Nobody"), "Nobody"),
    ],
)
def test_what_is_no_upgrade_is_refused_and_changes_nothing(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    ended = rolled(tmp_path, changes)
    (refused,) = ended.refused
    assert told in str(refused)
    assert ended.upgrade is None
    assert ended.outcome.completed
    assert kinds(ended.outcome.store) == ["RunStarted", "RunCompleted"]


def test_a_state_that_cannot_be_read_on_is_refused(tmp_path: Path) -> None:
    ended = rolled(tmp_path, agents(EVERY, "WatchOtherwise"), after=40)
    at_once = [str(refused) for refused in ended.refused]
    later = [ended.upgrade.why] if ended.upgrade is not None else []
    (why,) = at_once + later
    assert "does not fit state SeenOtherwise" in why
    assert ended.outcome.completed
    assert kinds(ended.outcome.store) == ["RunStarted", "RunCompleted"]


def test_a_state_that_no_snapshot_held_yet_is_read_before_hosts_take_over(tmp_path: Path) -> None:
    ended = rolled(tmp_path / "one", agents(EVERY, "WatchOtherwise"), after=2)
    assert not ended.refused, "there was nothing to be read when it was asked for"
    assert ended.upgrade is not None
    assert (ended.upgrade.state, ended.upgrade.since) == ("refused", {})
    assert "agent 'watcher', aggregate '" in ended.upgrade.why
    assert "does not fit state SeenOtherwise" in ended.upgrade.why
    assert ended.outcome.completed
    assert kinds(ended.outcome.store) == ["RunStarted", "RunCompleted"]
    (tmp_path / "two").mkdir()
    write_rates(tmp_path / "two" / "rates.parquet", 100)
    assert ended.outcome.root == run_in(tmp_path / "two", **agents(EVERY_SECOND)).root


EDITED = """
from tests.support.strategies import Watch


class Mine(Watch):
    pass
"""


def test_an_edited_file_of_an_agent_that_stays_as_it_is_is_told(tmp_path: Path) -> None:
    file = tmp_path / "edited_beside.py"
    file.write_text(EDITED)

    def pair(every: dict[str, int]) -> dict[str, Any]:
        mine = {"strategy": "edited_beside:Mine"}
        return agents(every) | {
            "agents": [watcher(parameters=every, **mine), watcher("second", **mine)]
        }

    class Editing(Rolled):
        def ask(self) -> None:
            file.write_text(file.read_text() + "# edited\n")
            self.begun = self.control.upgrade(self._now, self._resolve)

    write_rates(tmp_path / "rates.parquet", 100)
    ended = Editing(job(tmp_path, **pair(EVERY_SECOND)), job(tmp_path, **pair(EVERY)))
    (note,) = ended.begun.notes
    assert "'edited_beside:Mine' was edited since: agent 'second' goes on with it" in note
    assert ended.upgrade is not None
    assert ended.upgrade.state == "done"
    assert verify_store(ended.outcome.store).edited == (("system-study", Edited(1, "second")),)


def test_who_hears_whom_is_not_changed_while_a_run_goes_on(tmp_path: Path) -> None:
    write_rates(tmp_path / "rates.parquet", 100)

    def with_second(**changes: Any) -> RunConfig:
        second = watcher("second") | changes
        return job(tmp_path, agents=[watcher(), second, follower()])

    quiet = with_second(strategy=f"{HERE}:Windowed", parameters={})
    ended = Rolled(quiet, with_second())
    (refused,) = ended.refused
    assert "'follower' would hear second, watcher, not watcher" in str(refused)
    assert ended.outcome.completed


def test_one_upgrade_at_a_time(tmp_path: Path) -> None:
    write_rates(tmp_path / "rates.parquet", 100)
    before, now = (job(tmp_path, **agents(every)) for every in (EVERY_SECOND, EVERY))

    class Eager(Rolled):
        def ask(self) -> None:
            super().ask()
            super().ask()

    ended = Eager(before, now)
    (refused,) = ended.refused
    assert "is being upgraded" in str(refused)
    assert ended.upgrade is not None
    assert ended.upgrade.state == "done"
