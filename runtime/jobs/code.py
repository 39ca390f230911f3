"""The file that each agent's strategy was read from, by its digest: what the log says of it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from pydantic import ValidationError

from runtime.engine.plan import RunPlan
from runtime.events import RecordedEvent, RunResumed, RunStarted, StrategyUpgraded

Digests = Mapping[str, str]
"""SHA-256, in hex, of the file of each agent's strategy, by the agent's name."""


class Edited(NamedTuple):
    """An agent went on, from event `revision` of its run's stream, with another file than before.

    It did not become another strategy, version or parameters: that is an upgrade.
    """

    revision: int
    agent: str


def code_of(plan: RunPlan) -> dict[str, str]:
    """The digest of the file of each agent's strategy; those that are in none are left out."""
    return {agent.name: agent.stamp["code"] for agent in plan.agents if agent.stamp["code"]}


def edited(known: Digests, now: Digests, but: Container[str] = ()) -> list[str]:
    """The agents, `but` some, that go on with another file than was known."""
    names = (name for name, code in now.items() if known.get(name, code) != code)
    return sorted(name for name in names if name not in but)


def edit_notes(known: Digests, plan: RunPlan, but: Container[str] = ()) -> list[str]:
    """What the user of a run is to be told of the agents that are `edited`."""
    found = edited(known, code_of(plan), but)
    return [
        f"the file of {agent.strategy!r} was edited since: agent {agent.name!r} goes on with it as"
        f" {agent.stamp['name']} {agent.stamp['version']}. If that matters to what it decides, no"
        " other run comes to the same root: give it another version, and 'lucent upgrade' records"
        " from where on it holds"
        for agent in plan.agents
        if agent.name in found
    ]


def edits(events: Iterable[RecordedEvent]) -> Iterator[Edited]:
    """Where agents went on with another file, as the events of a run's own stream tell it.

    Events that cannot be read are passed over: `lucent verify` names them.
    """
    known: dict[str, str] = {}
    for event in events:
        now, upgraded = _told(event)
        for name in edited(known, now, but=upgraded):
            yield Edited(event.revision, name)
        known |= now


def last_code(events: Iterable[RecordedEvent]) -> Digests:
    """The files that agents were last known to decide with, as `edits` reads it."""
    known: dict[str, str] = {}
    for event in events:
        known |= _told(event)[0]
    return known


def _told(event: RecordedEvent) -> tuple[Digests, tuple[str, ...]]:
    """The digests that an event tells, and the agents that it upgrades."""
    with suppress(ValidationError):
        match event.type:
            case RunStarted.__name__:
                return RunStarted.model_validate_json(event.data).code, ()
            case RunResumed.__name__:
                return RunResumed.model_validate_json(event.data).code, ()
            case StrategyUpgraded.__name__:
                upgraded = StrategyUpgraded.model_validate_json(event.data)
                return upgraded.code, (upgraded.agent,)
    return {}, ()
