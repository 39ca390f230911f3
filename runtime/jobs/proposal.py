"""What a run that goes on is to be upgraded to, resolved where its code is fresh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from runtime.engine.inheritance import heir, refuse_unreadable
from runtime.engine.messages import UpgradeRequested
from runtime.engine.plan import UNDECIDED, RunPlan, columns_of
from runtime.errors import RunConflict
from runtime.events import StrategyUpgraded
from runtime.identity import SigningKey
from runtime.jobs.code import edit_notes
from runtime.jobs.config import RunConfig
from runtime.jobs.editions import History, upgrades_of
from runtime.jobs.planning import appoint, plan_run


@dataclass(frozen=True, slots=True)
class Question:
    """A run and the config that it is to be upgraded to, as data that any process can answer.

    `reached` says for each agent how far its decisions in the log reach: behind that position;
    `heard` whose decisions it takes in. `states` has some of the state that each stage left.
    """

    past: History
    reached: Mapping[str, int]
    heard: Mapping[str, frozenset[str]]
    states: Mapping[str, Mapping[int, bytes]]
    config: RunConfig
    keys: Mapping[str, SigningKey]


@dataclass(frozen=True, slots=True)
class Proposal:
    """By what plan a run is to decide: where from is `UNDECIDED`, and said by `changes` too.

    `changes`, `reached` and `columns` are given by stage; `notes` are for who asked.
    """

    plan: RunPlan
    changes: Mapping[str, tuple[StrategyUpgraded, ...]]
    reached: Mapping[str, int]
    columns: Mapping[str, Mapping[str, type]]
    notes: tuple[str, ...] = ()

    def request(self, edition: int) -> UpgradeRequested:
        """What the supervisor is asked for."""
        return UpgradeRequested(edition, self.changes, self.reached, self.columns)


def propose(question: Question) -> Proposal:
    """What an upgrade comes to.

    To be called in a process of its own: one that has imported a module does not see what
    changed in it. Raises `ConfigError` and other errors of a config, `RunConflict` if nothing
    changed, or more than an upgrade may change, and `StateInvalid` if what is new cannot read
    the state that was left.
    """
    past, config = question.past, question.config
    run = past.started.run
    if config.run.name != run:
        raise RunConflict(f"this is the config of run {config.run.name!r}, not of {run!r}")
    appointed = appoint(config)
    if {one.agent.name for one in appointed} != question.keys.keys():
        agents = ", ".join(sorted(question.keys))
        raise RunConflict(f"run {run!r} has the agents {agents}: an upgrade cannot change that")
    digests = {feed["name"]: feed["digest"] for feed in past.started.feeds}
    read = {feed.name: digests.get(feed.name, "") for feed in config.feeds}
    plan, declared = plan_run(config, appointed, question.keys, read)
    if not past.may_become(declared):
        raise RunConflict(
            f"run {run!r} differs by more than strategies, versions and parameters of its agents:"
            " an upgrade cannot change that"
        )
    _refuse_rerouting(question.heard, heard_by(plan))
    names = past.changed(declared)
    if not names:
        raise RunConflict(
            f"run {run!r} decides with what this config says already; if a strategy was edited,"
            " give it another version"
        )
    upgrades = upgrades_of(names, past.resumed(plan), declared, dict.fromkeys(names, UNDECIDED))
    plan = past.with_upgrades(upgrades).resumed(plan)
    host = heir(plan)
    for stage, parts in question.states.items():
        refuse_unreadable(host, stage, parts)
    notes = tuple(edit_notes(past.code, plan, names))
    return replace(_proposal(plan, upgrades, question.reached), notes=notes)


def _proposal(
    plan: RunPlan, upgrades: Sequence[StrategyUpgraded], reached: Mapping[str, int]
) -> Proposal:
    names = {one.agent for one in upgrades}
    stages = [one for one in plan.stages if {agent.name for agent in one.agents} & names]
    return Proposal(
        plan,
        {
            stage.name: tuple(
                one for one in upgrades if one.agent in {agent.name for agent in stage.agents}
            )
            for stage in stages
        },
        {stage.name: max(reached[one.name] for one in stage.agents) for stage in stages},
        {stage.name: columns_of(stage) for stage in stages if stage.upstream},
    )


def heard_by(plan: RunPlan) -> dict[str, frozenset[str]]:
    """Whose decisions each agent takes in."""
    return {
        agent.name: frozenset(stage.upstream) for stage in plan.stages for agent in stage.agents
    }


def _refuse_rerouting(
    before: Mapping[str, frozenset[str]], now: Mapping[str, frozenset[str]]
) -> None:
    """Where decisions go is settled when a run begins or is resumed."""
    for agent, heard in now.items():
        if heard != before[agent]:
            told, was = (", ".join(sorted(names)) for names in (heard, before[agent]))
            raise RunConflict(
                f"{agent!r} would hear {told}, not {was}, by what their strategies emit: that is"
                " not changed while a run goes on"
            )
