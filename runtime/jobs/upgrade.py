"""Going on with a run after a strategy changed: from which position on, as the log says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from runtime.deciding import Strategy
from runtime.engine.cursor import read_stage_cursor
from runtime.engine.plan import AgentPlan, EditionPlan, RunPlan, StagePlan
from runtime.errors import ConfigError, RunConflict, StreamNotFound, UnknownName
from runtime.events import RunCompleted, RunPaused, RunStarted, StrategyUpgraded, run_stream
from runtime.jobs.journal import started_runs
from runtime.jobs.registry import find_strategy
from runtime.store import EventStore

CHANGEABLE = ("strategy", "version", "parameters", "parametersDigest")
"""What of an agent an upgrade may change."""

Declared = Mapping[str, Any]


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


def replayed(source: EventStore, plan: RunPlan, declared: Declared) -> Adopted:
    """The plan that decides as the run in `source` did, if that was upgraded to this one.

    If that was never upgraded, the plan is given back as it is.

    Raises `RunConflict` if it was upgraded to something else, or the code of what it decided
    with before is not here.
    """
    started = next((one for one in started_runs(source) if one.run == plan.run), None)
    recorded = () if started is None else tuple(_upgrades(source, plan.run))
    if started is None or not recorded:
        return Adopted(plan)
    agents = _latest(started, recorded)
    if agents != _named(declared) or not _may_become(started, agents, declared):
        raise RunConflict(
            f"the store to be replayed holds no run {plan.run!r} of these feeds and agents: its"
            " strategies were upgraded, and the config must be that of the last upgrade"
        )
    resumed = _resumed(plan, started, recorded)
    for agent in resumed.agents:
        for one, past in zip(agent.earlier, _past(agent.name, started, recorded), strict=False):
            if _reference(past[1], agent) is None:
                raise RunConflict(
                    f"agent {agent.name!r} decided with {_told(past[1])} from position"
                    f" {one.since} on, whose code is not in the module of {agent.strategy!r}"
                )
    return Adopted(resumed, recorded, tuple(started.agents))


def adopt(store: EventStore, plan: RunPlan, declared: Declared, *, upgrade: bool) -> Adopted:
    """Go on with the run in the store under its own id, if it is this one or may become it.

    With `upgrade`, agents whose strategy, version or parameters changed decide with the new
    ones on what comes behind what the run has durably taken in. Raises `RunConflict` if they
    changed without it, or if the run was not stopped in order: then the version it was left
    with has to bring it to a stop. Where more changed than an upgrade may change, the plan is
    given back as it is.
    """
    started = next((one for one in started_runs(store) if one.run == plan.run), None)
    if started is None:
        return Adopted(plan)
    recorded = _upgrades(store, plan.run)
    agents = _latest(started, recorded)
    changed = [name for name in agents if agents[name] != _named(declared).get(name)]
    if not changed:
        if not recorded:
            return Adopted(plan)
        return Adopted(_resumed(plan, started, recorded))
    possible = _may_become(started, agents, declared)
    if not possible or not (upgrade or recorded):
        return Adopted(plan)
    if not upgrade:
        raise RunConflict(
            f"agent {changed[0]!r} of run {plan.run!r} decides with"
            f" {_told(agents[changed[0]])}, not with {_told(_named(declared)[changed[0]])}:"
            " to go on with that one from here: lucent upgrade CONFIG"
        )
    _refuse_unless_paused(store, plan.run)
    now = _named(declared)
    upgrades = tuple(
        StrategyUpgraded(
            run_id=started.run_id,
            agent=name,
            since=_reached(store, plan, name),
            **{field: now[name][field] for field in CHANGEABLE},
        )
        for name in changed
    )
    resumed = _resumed(plan, started, (*recorded, *upgrades))
    return Adopted(resumed, upgrades)


def _told(agent: Declared) -> str:
    return f"{agent['strategy']} {agent['version']} ({agent['parametersDigest'][:8]})"


def _named(declared: Declared) -> dict[str, Declared]:
    return {agent["name"]: agent for agent in declared["agents"]}


def _upgrades(store: EventStore, run: str) -> list[StrategyUpgraded]:
    try:
        return [
            StrategyUpgraded.model_validate_json(event.data)
            for event in store.read_stream(run_stream(run))
            if event.type == StrategyUpgraded.__name__
        ]
    except StreamNotFound:
        return []


def _latest(started: RunStarted, upgrades: Sequence[StrategyUpgraded]) -> dict[str, Any]:
    """What each agent decides with by now."""
    agents = {agent["name"]: agent for agent in started.agents}
    for one in upgrades:
        agents[one.agent] = agents[one.agent] | _changed(one)
    return agents


def _changed(upgrade: StrategyUpgraded) -> dict[str, Any]:
    return {field: getattr(upgrade, field) for field in CHANGEABLE}


def _may_become(started: RunStarted, agents: Mapping[str, Declared], declared: Declared) -> bool:
    """Whether nothing else differs than what an upgrade may change."""

    def rest(agent: Declared) -> dict[str, Any]:
        return {field: value for field, value in agent.items() if field not in CHANGEABLE}

    before = [rest(agents[agent["name"]]) for agent in started.agents]
    block = declared.get("signing_block", 1)
    same = started.feeds == declared["feeds"] and started.signing_block == block
    return same and before == [rest(agent) for agent in declared["agents"]]


def _refuse_unless_paused(store: EventStore, run: str) -> None:
    (last,) = store.read_stream(run_stream(run), backwards=True, limit=1)
    if last.type == RunCompleted.__name__:
        raise RunConflict(f"run {run!r} has taken in all of its input: there is nothing to upgrade")
    if last.type not in (RunPaused.__name__, StrategyUpgraded.__name__):
        raise RunConflict(
            f"run {run!r} was not stopped in order: resume it with what it decided with before,"
            " stop it, then upgrade it"
        )


def _stage_of(plan: RunPlan, agent: str) -> StagePlan:
    return next(stage for stage in plan.stages if agent in {one.name for one in stage.agents})


def _reached(store: EventStore, plan: RunPlan, agent: str) -> int:
    """The position up to which the agent has decided."""
    cursor = store.checkpoint(f"{plan.run}/{_stage_of(plan, agent).name}")
    return 0 if cursor is None else read_stage_cursor(cursor)[0]


def _resumed(plan: RunPlan, started: RunStarted, upgrades: Sequence[StrategyUpgraded]) -> RunPlan:
    """The plan under the run's own id, its agents with what they decided with before."""
    stages = tuple(
        replace(stage, agents=tuple(_with_past(agent, started, upgrades) for agent in stage.agents))
        for stage in plan.stages
    )
    return replace(plan, run_id=started.run_id, stages=stages)


def _with_past(
    agent: AgentPlan, started: RunStarted, upgrades: Sequence[StrategyUpgraded]
) -> AgentPlan:
    past = _past(agent.name, started, upgrades)
    earlier = tuple(_edition(since, what, agent) for since, what in past[:-1])
    return replace(agent, since=past[-1][0], earlier=earlier)


def _past(
    agent: str, started: RunStarted, upgrades: Sequence[StrategyUpgraded]
) -> list[tuple[int, Declared]]:
    """What an agent decided with from which position on, oldest first."""
    first = next(one for one in started.agents if one["name"] == agent)
    return [(0, first), *((one.since, _changed(one)) for one in upgrades if one.agent == agent)]


def _edition(since: int, declared: Declared, agent: AgentPlan) -> EditionPlan:
    """What an agent decided with, if its code is still here; else what it decides with now.

    That then reads the state that was left. If it had to decide again on anything before, the
    ledger would find that it decides differently.
    """
    reference = _reference(declared, agent)
    if reference is None:
        return EditionPlan(since, agent.strategy, agent.parameters)
    return EditionPlan(since, reference, declared["parameters"])


def _reference(declared: Declared, agent: AgentPlan) -> str | None:
    """Where the code of a strategy of that name and version is: beside today's, or registered."""
    module = agent.strategy.partition(":")[0]
    for kind in vars(import_module(module)).values():
        if isinstance(kind, type) and issubclass(kind, Strategy) and _is(kind, declared):
            return f"{module}:{kind.__name__}"
    with suppress(UnknownName, ConfigError):
        reference, registered = find_strategy(declared["strategy"])
        return reference if _is(registered, declared) else None
    return None


def _is(kind: type[Strategy[Any]], declared: Declared) -> bool:
    named = (getattr(kind, "name", None), getattr(kind, "version", None))
    return named == (declared["strategy"], declared["version"])
