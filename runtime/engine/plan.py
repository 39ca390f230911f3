"""What a run is made of, as plain data that can be sent to any process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

from runtime.deciding import POISON, StateCodec, Strategy, event_by_event
from runtime.engine.author import byline
from runtime.engine.autoscaler import ScalingPolicy
from runtime.engine.credit import CreditLimits
from runtime.engine.desk import Desk, Edition
from runtime.engine.host import Host
from runtime.engine.roster import Pooling
from runtime.engine.windows import columns_for
from runtime.errors import ConfigError, LucentError, RunConflict, UnknownName
from runtime.identity import SigningKey

UNDECIDED = 2**62
"""From where on an edition decides that is to take over, and has not: behind every position."""


@dataclass(frozen=True, slots=True)
class EditionPlan:
    """What an agent decided with from position `since` on; `strategy` is `module:Class`."""

    since: int
    strategy: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AgentPlan:
    """An agent of a run.

    `strategy` is `module:Class`; `form` is `window` or `event` (drives the strategy event by
    event even where it has a window form). `rank` orders the agents: upstream first. It decides
    so from position `since` on, and as the `earlier` editions say before. `stamp`, unless it is
    empty, is what a host must find the strategy to be: files may change while a run goes on.
    """

    name: str
    rank: int
    strategy: str
    parameters: Mapping[str, Any]
    key: SigningKey
    form: str = "window"
    since: int = 0
    earlier: tuple[EditionPlan, ...] = ()
    stamp: Mapping[str, str] = field(default_factory=dict)

    @property
    def strategies(self) -> tuple[str, ...]:
        """The strategies of all its editions, as `module:Class`."""
        return (*(one.strategy for one in self.earlier), self.strategy)


@dataclass(frozen=True, slots=True)
class StagePlan:
    """Agents that take in the same events by the same key.

    `listens` and `select` say which events, `key` which column is the aggregate; `upstream`
    maps the agents whose decisions they take in to the stage these decide in, and is empty
    for observations.
    """

    name: str
    agents: tuple[AgentPlan, ...]
    listens: tuple[str, ...]
    key: str
    select: Mapping[str, tuple[str, ...]]
    upstream: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A run: its id, its stages in topological order, and how it is carried out.

    `protocols` maps feed names to the protocol they observe; in `paths` hosts look for the
    modules of strategies, behind all that are installed. Neither `pooling` nor `scaling`,
    `limits` nor `snapshot_events` influence what is decided.
    """

    run: str
    run_id: str
    stages: tuple[StagePlan, ...]
    protocols: Mapping[str, str]
    pooling: Pooling = field(default_factory=Pooling)
    limits: CreditLimits = field(default_factory=CreditLimits)
    snapshot_events: int = 100_000
    scaling: ScalingPolicy | None = None
    signing_block: int = 1
    paths: tuple[str, ...] = ()

    @property
    def agents(self) -> tuple[AgentPlan, ...]:
        """All agents of the run."""
        return tuple(agent for stage in self.stages for agent in stage.agents)

    def decided(self, since: Mapping[str, int]) -> RunPlan:
        """The plan once its editions that were `UNDECIDED` have taken over: where, by stage."""
        return replace(self, stages=tuple(_decided(stage, since) for stage in self.stages))


def _decided(stage: StagePlan, since: Mapping[str, int]) -> StagePlan:
    agents = tuple(
        replace(agent, since=since[stage.name]) if agent.since == UNDECIDED else agent
        for agent in stage.agents
    )
    return replace(stage, agents=agents)


def columns_of(stage: StagePlan) -> dict[str, type]:
    """What the strategies of a stage read of decisions, with its type."""
    inputs = [strategy_class(one).inputs for agent in stage.agents for one in agent.strategies]
    return columns_for(inputs) | dict.fromkeys(stage.select, str)


def strategy_class(reference: str) -> type[Strategy[Any]]:
    """The class `module:Class`; raises as `load` does."""
    found: type[Strategy[Any]] = load("strategy", reference, _is_strategy)
    return found


def load(what: str, reference: str, fits: Callable[[object], bool]) -> Any:
    """What stands at `module:NAME`.

    Raises `ConfigError` if the module cannot be imported, or what it has there is none that
    `fits`, `UnknownName` if it has nothing there.
    """
    module, _, name = reference.partition(":")
    try:
        there = import_module(module)
        found = getattr(there, name, there)
    except LucentError:
        raise
    except POISON as error:
        raise ConfigError(
            f"cannot load {what} {reference!r}: {type(error).__name__}: {error}"
        ) from error
    if found is there:
        known = [one for one, value in vars(there).items() if fits(value)]
        raise UnknownName(f"{what} in module {module!r}:", name, known)
    if not fits(found):
        raise ConfigError(f"{reference!r} is no {what}")
    return found


def _is_strategy(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, Strategy) and found is not Strategy


def build_host(plan: RunPlan) -> Host:
    """A host with a desk for every agent of the run, and no state yet."""
    sys.path.extend(path for path in plan.paths if path not in sys.path)
    return Host({s.name: [_desk(plan, agent) for agent in s.agents] for s in plan.stages})


def signers(plan: RunPlan) -> dict[str, Any]:
    """The signing function of each agent, by name."""
    return {agent.name: agent.key.sign for agent in plan.agents}


def _desk(plan: RunPlan, agent: AgentPlan) -> Desk:
    last = EditionPlan(agent.since, agent.strategy, agent.parameters)
    editions = tuple(_edition(plan, agent, one) for one in (*agent.earlier, last))
    found = imprint(editions[-1].strategy)
    if agent.stamp and agent.stamp != found:
        raise RunConflict(
            f"agent {agent.name!r} decides with {_told(agent.stamp)}, but {agent.strategy!r} is"
            f" {_told(found)} by now: put back what it was; to decide with another version:"
            " lucent upgrade CONFIG"
        )
    return Desk(agent.name, editions, plan.protocols)


def stamp_of(strategy: Strategy[Any]) -> dict[str, str]:
    """What decisions say of the strategy that made them."""
    return {
        "name": strategy.name,
        "version": strategy.version,
        "parameters": strategy.parameters_digest,
    }


def imprint(strategy: Strategy[Any]) -> dict[str, str]:
    """Its stamp, and the digest of the file that its class is in: "" if that is in none."""
    file = getattr(sys.modules.get(type(strategy).__module__), "__file__", None)
    try:
        code = sha256(Path(file or "").read_bytes()).hexdigest()
    except OSError:
        code = ""
    return stamp_of(strategy) | {"code": code}


def _told(stamp: Mapping[str, str]) -> str:
    parameters, code = stamp["parameters"][:8], stamp["code"][:8]
    return f"{stamp['name']} {stamp['version']} (parameters {parameters}, file {code})"


def _edition(plan: RunPlan, agent: AgentPlan, edition: EditionPlan) -> Edition:
    strategy = strategy_class(edition.strategy).configure(edition.parameters)
    line = byline(agent.name, agent.key.did, plan.run_id, stamp_of(strategy), strategy.emits)
    by_event = agent.form == "event"
    decide = partial(event_by_event, strategy) if by_event else strategy.on_window
    return Edition(edition.since, line, strategy, decide, StateCodec(strategy.State))
