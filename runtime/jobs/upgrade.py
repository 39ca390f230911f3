"""Going on with a run after a strategy changed: from which position on, as the log says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runtime.engine.cursor import read_stage_cursor
from runtime.engine.inheritance import heir, left, refuse_unreadable
from runtime.engine.plan import RunPlan
from runtime.errors import RunConflict
from runtime.events import RunCompleted, RunPaused, StrategyUpgraded, read_metadata, run_stream
from runtime.jobs.editions import (
    Declared,
    History,
    differing,
    history,
    named,
    reference_of,
    told,
    upgrades_of,
)
from runtime.jobs.journal import started_runs
from runtime.store import EventStore


@dataclass(frozen=True, slots=True)
class Adopted:
    """A plan with the id of the run it goes on with, and the upgrades to be recorded first.

    `agents` is what a run that is replayed was declared with when it began.
    """

    plan: RunPlan
    upgrades: tuple[StrategyUpgraded, ...] = ()
    agents: tuple[Declared, ...] | None = None

    def declared(self, now: Declared) -> dict[str, Any]:
        """What the run is declared with."""
        return {**now} if self.agents is None else {**now, "agents": [*self.agents]}


def history_of(store: EventStore, run: str) -> History | None:
    """How the run of that name was begun and upgraded; None if the store holds none."""
    started = next((one for one in started_runs(store) if one.run == run), None)
    return None if started is None else history(store, started)


def replayed(source: EventStore, plan: RunPlan, declared: Declared) -> Adopted:
    """The plan that decides as the run in `source` did, if that was upgraded to this one.

    If that was never upgraded, the plan is given back as it is.

    Raises `RunConflict` if it was upgraded to something else, or the code of what it decided
    with before is not here.
    """
    past = history_of(source, plan.run)
    if past is None or not past.upgrades:
        return Adopted(plan)
    if past.changed(declared) or not past.may_become(declared):
        raise RunConflict(
            f"the store to be replayed holds no run {plan.run!r} of these feeds and agents: its"
            " strategies were upgraded, and the config must be that of the last upgrade"
        )
    for agent in plan.agents:
        for one in past.past(agent.name)[:-1]:
            if reference_of(one, agent) is None:
                raise RunConflict(
                    f"agent {agent.name!r} decided with {told(one.declared)} from position"
                    f" {one.since} on, whose code is not in the module of {agent.strategy!r}"
                )
    resumed = past.resumed(plan)
    upgrades = tuple(one.model_copy(update={"code": {}}) for one in past.upgrades)
    return Adopted(resumed, upgrades, tuple(past.started.agents))


def adopt(store: EventStore, plan: RunPlan, declared: Declared, *, upgrade: bool) -> Adopted:
    """Go on with the run in the store under its own id, if it is this one or may become it.

    With `upgrade`, agents whose strategy, version or parameters changed decide with the new
    ones on what comes behind what the run has durably taken in. Raises `RunConflict` if they
    changed without it, or if the run was not stopped in order: then the version it was left with
    has to bring it to a stop, unless that has decided on nothing; `StateInvalid` if the new ones
    cannot read the state that was left. Where more changed than an upgrade may change, the plan is
    given back as it is.
    """
    past = history_of(store, plan.run)
    if past is None:
        return Adopted(plan)
    changed = past.changed(declared)
    if not changed:
        return Adopted(past.resumed(plan) if past.upgrades else plan)
    if not past.may_become(declared) or not (upgrade or past.upgrades):
        return Adopted(plan)
    if not upgrade:
        name = changed[0]
        was, now = past.latest()[name], named(declared["agents"])[name]
        raise RunConflict(
            f"agent {name!r} of run {plan.run!r} decides with {told(was)}, not with {told(now)}"
            f"{differing(was, now)}. Run it with the config of its last upgrade; or, for it to"
            " decide as this one says from here on: lucent upgrade CONFIG"
        )
    untouched = all(_untouched(store, plan, past, name) for name in changed)
    _refuse_unless_paused(store, plan.run, untouched=untouched)
    since = {name: _reached(store, plan, name) for name in changed}
    upgrades = upgrades_of(changed, past.resumed(plan), declared, since)
    adopted = Adopted(past.with_upgrades(upgrades).resumed(plan), upgrades)
    host = heir(adopted.plan)
    for stage in plan.stages:
        for parts in left(store, plan.run, stage.name):
            refuse_unreadable(host, stage.name, parts)
    return adopted


def decided_until(store: EventStore, agent: str) -> int:
    """Behind which position an agent has decided on nothing yet, by its streams."""
    heads = store.heads(f"agent-{agent}/")
    return max((int(read_metadata(head.metadata)["position"]) + 1 for head in heads), default=0)


def upgraded(store: EventStore, run: str) -> dict[str, StrategyUpgraded]:
    """What each agent of a run that goes on was last upgraded to, by name."""
    past = history_of(store, run)
    if past is None or _last_type(store, run) == RunPaused.__name__:
        return {}
    return {one.agent: one for one in past.upgrades if one.reference}


def _untouched(store: EventStore, plan: RunPlan, past: History, agent: str) -> bool:
    """Whether an agent was upgraded, and nothing was decided with that: it could not, perhaps."""
    since = past.past(agent)[-1].since
    return decided_until(store, agent) <= since == _reached(store, plan, agent)


def _refuse_unless_paused(store: EventStore, run: str, *, untouched: bool) -> None:
    last = _last_type(store, run)
    if last == RunCompleted.__name__:
        raise RunConflict(f"run {run!r} has taken in all of its input: there is nothing to upgrade")
    if last != RunPaused.__name__ and not untouched:
        raise RunConflict(
            f"run {run!r} was not stopped in order: resume it with what it decided with before,"
            " stop it, then upgrade it"
        )


def _last_type(store: EventStore, run: str) -> str:
    (last,) = store.read_stream(run_stream(run), backwards=True, limit=1)
    return last.type


def _reached(store: EventStore, plan: RunPlan, agent: str) -> int:
    """The position up to which the agent has taken in, by the checkpoint of its stage."""
    stage = next(one for one in plan.stages if agent in {two.name for two in one.agents})
    cursor = store.checkpoint(f"{plan.run}/{stage.name}")
    return 0 if cursor is None else read_stage_cursor(cursor)[0]
