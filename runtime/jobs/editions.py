"""What the agents of a run decided with, and since when, as the log says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

from runtime.deciding import Strategy
from runtime.engine.plan import AgentPlan, EditionPlan, RunPlan, strategy_class
from runtime.errors import ConfigError, StreamNotFound, UnknownName
from runtime.events import RunStarted, StrategyUpgraded, run_stream
from runtime.jobs.code import Digests, code_of, last_code
from runtime.jobs.registry import find_strategy
from runtime.store import EventStore

CHANGEABLE = ("strategy", "version", "parameters", "parametersDigest")
"""What of an agent an upgrade may change."""

Declared = Mapping[str, Any]
"""An agent, or a run, as it is recorded."""


@dataclass(frozen=True, slots=True)
class Past:
    """What an agent decided with from position `since` on; `reference` is where it was loaded."""

    since: int
    declared: Declared
    reference: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """A run as it was begun, its upgrades in their order, the files it last decided with."""

    started: RunStarted
    upgrades: tuple[StrategyUpgraded, ...]
    code: Digests = field(default_factory=dict)

    def latest(self) -> dict[str, Declared]:
        """What each agent decides with by now, by name."""
        agents: dict[str, Declared] = named(self.started.agents)
        for one in self.upgrades:
            agents[one.agent] = {**agents[one.agent], **_changed(one)}
        return agents

    def past(self, agent: str) -> list[Past]:
        """What an agent decided with, oldest first."""
        first = named(self.started.agents)[agent]
        those = [one for one in self.upgrades if one.agent == agent]
        return [Past(0, first), *(Past(one.since, _changed(one), one.reference) for one in those)]

    def with_upgrades(self, upgrades: Sequence[StrategyUpgraded]) -> History:
        """The same with further upgrades."""
        return replace(self, upgrades=(*self.upgrades, *upgrades))

    def may_become(self, declared: Declared) -> bool:
        """Whether a run declared so differs by no more than an upgrade may change."""
        started, agents = self.started, self.latest()
        block = declared.get("signing_block", 1)
        same = started.feeds == declared["feeds"] and started.signing_block == block
        before = [_rest(agents[agent["name"]]) for agent in started.agents]
        return same and before == [_rest(agent) for agent in declared["agents"]]

    def changed(self, declared: Declared) -> list[str]:
        """The agents that decide with something else in a run declared so than they do by now."""
        agents, now = self.latest(), named(declared["agents"])
        return [name for name in agents if agents[name] != now.get(name)]

    def resumed(self, plan: RunPlan) -> RunPlan:
        """The plan under the run's own id, its agents with what they decided with before."""
        stages = tuple(
            replace(stage, agents=tuple(self._resumed(agent) for agent in stage.agents))
            for stage in plan.stages
        )
        return replace(plan, run_id=self.started.run_id, stages=stages)

    def _resumed(self, agent: AgentPlan) -> AgentPlan:
        *before, last = self.past(agent.name)
        earlier = tuple(_edition(one, agent) for one in before)
        return replace(agent, since=last.since, earlier=earlier)


def history(store: EventStore, started: RunStarted) -> History:
    """What the store holds of a run that was started so."""
    try:
        events = list(store.read_stream(run_stream(started.run)))
    except StreamNotFound:
        events = []
    recorded = [
        StrategyUpgraded.model_validate_json(event.data)
        for event in events
        if event.type == StrategyUpgraded.__name__
    ]
    return History(started, tuple(recorded), last_code(events))


def upgrades_of(
    names: Sequence[str], plan: RunPlan, declared: Declared, since: Mapping[str, int]
) -> tuple[StrategyUpgraded, ...]:
    """What is recorded of these agents, which decide as declared from there on.

    The first also tells which files the agents that stay as they are decide with.
    """
    now, run = named(declared["agents"]), plan.run_id
    references = {agent.name: agent.strategy for agent in plan.agents}
    code = code_of(plan)
    others = {name: digest for name, digest in code.items() if name not in names}
    own = [{name: code[name]} if name in code else {} for name in names]
    told = [own[0] | others, *own[1:]] if own else []
    return tuple(
        StrategyUpgraded(
            run_id=run,
            agent=name,
            since=since[name],
            reference=references[name],
            code=digests,
            **{one: now[name][one] for one in CHANGEABLE},
        )
        for name, digests in zip(names, told, strict=True)
    )


def named(agents: Sequence[Declared]) -> dict[str, Declared]:
    """Agents by name."""
    return {agent["name"]: agent for agent in agents}


def told(agent: Declared) -> str:
    """What an agent decides with, for people."""
    return f"{agent['strategy']} {agent['version']} ({agent['parametersDigest'][:8]})"


def differing(was: Declared, now: Declared) -> str:
    """The first parameter that differs, with both values, for people; nothing if none does.

    >>> differing({"parameters": {"level": 2.0}}, {"parameters": {"level": 3.0}})
    '; its level is 2.0, not 3.0'
    """
    before, after = was["parameters"], now["parameters"]
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            return f"; its {name} is {before[name]!r}, not {after[name]!r}"
    return ""


def reference_of(past: Past, agent: AgentPlan) -> str | None:
    """Where the code of a strategy is: where it was loaded, beside today's, or registered."""
    module = agent.strategy.partition(":")[0]
    if past.reference:
        with suppress(ConfigError):
            if _is(strategy_class(past.reference), past.declared):
                return past.reference
    for kind in vars(import_module(module)).values():
        if isinstance(kind, type) and issubclass(kind, Strategy) and _is(kind, past.declared):
            return f"{module}:{kind.__name__}"
    with suppress(UnknownName, ConfigError):
        reference, registered = find_strategy(past.declared["strategy"])
        return reference if _is(registered, past.declared) else None
    return None


def _edition(past: Past, agent: AgentPlan) -> EditionPlan:
    """What an agent decided with, if its code is still here; else what it decides with now.

    That then reads the state that was left. If it had to decide again on anything before, the
    ledger would find that it decides differently.
    """
    reference = reference_of(past, agent)
    if reference is None:
        return EditionPlan(past.since, agent.strategy, agent.parameters)
    return EditionPlan(past.since, reference, past.declared["parameters"])


def _rest(agent: Declared) -> dict[str, Any]:
    return {field: value for field, value in agent.items() if field not in CHANGEABLE}


def _changed(upgrade: StrategyUpgraded) -> dict[str, Any]:
    return {field: getattr(upgrade, field) for field in CHANGEABLE}


def _is(kind: type[Strategy[Any]], declared: Declared) -> bool:
    name, version = getattr(kind, "name", None), getattr(kind, "version", None)
    return (name, version) == (declared["strategy"], declared["version"])
