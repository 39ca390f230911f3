"""From a config to a plan: agents sorted into stages, and the id of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from runtime.deciding import Agent, Strategy
from runtime.engine.plan import AgentPlan, RunPlan, StagePlan, imprint
from runtime.errors import ConfigError, UnknownName
from runtime.events import (
    NAME,
    Registry,
    StrategyUpgraded,
    event_type,
    id_text,
    named_id,
    observation_fields,
)
from runtime.identity import SigningKey
from runtime.jobs.config import AgentConfig, RunConfig
from runtime.jobs.registry import find_agent, find_strategy, look_in


@dataclass(frozen=True, slots=True)
class Appointed:
    """An agent of a config, resolved: its strategy configured, its types checked."""

    agent: Agent
    reference: str
    strategy: Strategy[Any]
    form: str

    @property
    def observes(self) -> bool:
        """Whether it takes in observations (and not decisions)."""
        return event_type(self.agent.listens[0]).observed

    def declaration(self, key: SigningKey) -> dict[str, Any]:
        """What its decisions depend on, as the run records it."""
        return {
            "name": self.agent.name,
            "did": key.did,
            "strategy": self.strategy.name,
            "version": self.strategy.version,
            "parameters": self.strategy.parameters.model_dump(mode="json"),
            "parametersDigest": self.strategy.parameters_digest,
            "listens": list(self.agent.listens),
            "key": self.agent.key,
            "select": {name: list(values) for name, values in self.agent.select.items()},
        }


def appoint(
    config: RunConfig, upgrades: Mapping[str, StrategyUpgraded] | None = None
) -> list[Appointed]:
    """The agents of a config, upstream first; raises `ConfigError`.

    Modules beside the config are found too. An agent that was upgraded decides with what its
    upgrade says, and not with what the config does.
    """
    look_in(config.base)
    appointed = [_appoint(one, upgrades or {}) for one in config.agents]
    names = [one.agent.name for one in appointed]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two agents are named {name!r}: give one another `name`")
    depths = {one.agent.name: 0 for one in appointed}
    for _ in appointed:
        depths = {one.agent.name: _depth(one, appointed, depths) for one in appointed}
    if max(depths.values()) >= len(appointed):
        raise ConfigError(f"agents listen to each other in a circle: {', '.join(sorted(names))}")
    _check_routes(config, appointed)
    return sorted(appointed, key=lambda one: depths[one.agent.name])


def plan_run(
    config: RunConfig,
    appointed: Sequence[Appointed],
    keys: Mapping[str, SigningKey],
    digests: Mapping[str, str],
) -> tuple[RunPlan, dict[str, Any]]:
    """The plan of a run, and its declaration: feeds and agents make its id, locations do not.

    `keys` has the key of each agent, `digests` the content digest of each feed.
    """
    agents = [one.declaration(keys[one.agent.name]) for one in appointed]
    feeds = [
        {"name": feed.name, "digest": digests[feed.name]}
        | feed.model_dump(mode="json", exclude={"path", "name", "backlog"}, exclude_defaults=True)
        for feed in config.feeds
    ]
    declared: dict[str, Any] = {"agents": agents, "feeds": feeds}
    if config.run.signing_block > 1:
        declared["signing_block"] = config.run.signing_block
    text = msgspec.json.encode({"run": config.run.name} | declared, order="deterministic")
    plan = RunPlan(
        run=config.run.name,
        run_id=id_text(named_id("run/" + text.decode())),
        stages=_stages(appointed, keys),
        protocols={feed.name: feed.protocol or feed.name for feed in config.feeds},
        pooling=config.hosts.pooling(),
        scaling=None if config.autoscale is None else config.autoscale.policy(),
        limits=config.credit.limits(),
        snapshot_events=config.run.snapshot_events,
        signing_block=config.run.signing_block,
        paths=(str(config.base.absolute()), str(Path.cwd())),
    )
    return plan, {**declared, "locations": {feed.name: feed.path for feed in config.feeds}}


def _check_routes(config: RunConfig, appointed: Sequence[Appointed]) -> None:
    """Each feed has an agent that takes its events, and each agent a feed or agent to hear."""
    takers = Registry()
    for one in appointed:
        takers.register(one.agent.name, one.agent.listens)
    for feed in config.feeds:
        if not takers.handlers(feed.event_type):
            raise ConfigError(
                f"feed {feed.name!r} yields {feed.event_type}, which no agent of this run takes"
            )
    offered = {feed.event_type for feed in config.feeds}
    for one in appointed:
        if one.observes and not offered & set(one.agent.listens):
            raise ConfigError(
                f"agent {one.agent.name!r} listens to {', '.join(one.agent.listens)},"
                " which no feed of this run yields"
            )


def _appoint(config: AgentConfig, upgrades: Mapping[str, StrategyUpgraded]) -> Appointed:
    agent = _agent(config)
    latest = upgrades.get(agent.name)
    if latest is not None:
        agent = replace(agent, strategy=latest.reference, parameters=latest.parameters)
    if not NAME.fullmatch(agent.name):
        raise ConfigError(f"{agent.name!r} cannot name an agent: use letters, digits, '.-_'")
    kinds = [event_type(name) for name in agent.listens]
    if not kinds or not (all(k.observed for k in kinds) or all(k.decided for k in kinds)):
        raise ConfigError(
            f"agent {agent.name!r} must listen to observations or to decisions, and not to both;"
            f" it listens to {', '.join(agent.listens) or 'nothing'}"
        )
    reference, kind = find_strategy(agent.strategy)
    strategy = kind.configure(agent.parameters)
    if kinds[0].observed:
        _check_inputs(agent, strategy)
    return Appointed(agent, reference, strategy, config.form)


def _agent(config: AgentConfig) -> Agent:
    if config.agent is not None:
        agent = find_agent(config.agent)
    elif config.name and config.strategy and config.listens:
        agent = Agent(config.name, config.strategy, config.listens)
    else:
        raise ConfigError("[[agents]] needs either `agent`, or `name`, `strategy` and `listens`")
    changes: dict[str, Any] = {
        name: value
        for name in ("name", "strategy", "listens", "key", "select")
        if (value := getattr(config, name)) is not None
    }
    return replace(agent, parameters={**agent.parameters, **config.parameters}, **changes)


def _check_inputs(agent: Agent, strategy: Strategy[Any]) -> None:
    for listened in agent.listens:
        fields = observation_fields(listened)
        for name in strategy.inputs:
            if name not in fields:
                raise UnknownName(
                    f"input of strategy {strategy.name!r} among the fields of {listened}:",
                    name,
                    fields,
                )
            if strategy.inputs[name] is not fields[name].kind:
                raise ConfigError(
                    f"strategy {strategy.name!r} reads {name!r} as"
                    f" {strategy.inputs[name].__name__}, but in {listened} it is"
                    f" {fields[name].kind.__name__}"
                )


def _emitters(one: Appointed, appointed: Sequence[Appointed]) -> list[Appointed]:
    wanted = set(one.agent.listens)
    return [
        other
        for other in appointed
        if other.agent.name != one.agent.name and wanted & set(other.strategy.emits)
    ]


def _depth(one: Appointed, appointed: Sequence[Appointed], depths: Mapping[str, int]) -> int:
    if one.observes:
        return 0
    above = _emitters(one, appointed)
    if not above:
        raise ConfigError(
            f"agent {one.agent.name!r} listens to {', '.join(one.agent.listens)},"
            " which no other agent of this run decides"
        )
    return 1 + max(depths[other.agent.name] for other in above)


def _stages(
    appointed: Sequence[Appointed], keys: Mapping[str, SigningKey]
) -> tuple[StagePlan, ...]:
    groups: dict[tuple[Any, ...], list[AgentPlan]] = {}
    members: dict[tuple[Any, ...], list[Appointed]] = {}
    for rank, one in enumerate(appointed):
        agent = one.agent
        above = () if one.observes else tuple(o.agent.name for o in _emitters(one, appointed))
        select = tuple(sorted((name, tuple(values)) for name, values in agent.select.items()))
        group = (tuple(sorted(agent.listens)), agent.key, select, above)
        key = keys[agent.name]
        stamp = imprint(one.strategy)
        plan = AgentPlan(
            agent.name, rank, one.reference, agent.parameters, key, one.form, stamp=stamp
        )
        groups.setdefault(group, []).append(plan)
        members.setdefault(group, []).append(one)
    names = {group: "+".join(agent.name for agent in plans) for group, plans in groups.items()}
    stage_of = {agent.name: names[group] for group, plans in groups.items() for agent in plans}
    return tuple(
        StagePlan(
            name=names[group],
            agents=tuple(plans),
            listens=group[0],
            key=group[1],
            select=dict(group[2]),
            upstream={agent: stage_of[agent] for agent in group[3]},
        )
        for group, plans in groups.items()
    )
