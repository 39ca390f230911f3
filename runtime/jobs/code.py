"""The file that each agent's strategy was read from, by its digest: what the log says of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from pydantic import ValidationError

from runtime.engine.plan import RunPlan
from runtime.events import RecordedEvent, RunResumed, RunStarted, StrategyUpgraded


class Edited(NamedTuple):
    """An agent went on, from event `revision` of its run's stream, with another file than before.

    It did not become another strategy, version or parameters: that is an upgrade.
    """

    revision: int
    agent: str


def code_of(plan: RunPlan) -> dict[str, str]:
    """The digest of the file of each agent's strategy; those that are in none are left out."""
    return {agent.name: agent.stamp["code"] for agent in plan.agents if agent.stamp["code"]}


def edits(events: Iterable[RecordedEvent]) -> Iterator[Edited]:
    """Where agents went on with another file, as the events of a run's own stream tell it.

    Events that cannot be read are passed over: `lucent verify` names them.
    """
    known: dict[str, str] = {}
    for event in events:
        with suppress(ValidationError):
            told = _told(event)
            if event.type == RunResumed.__name__:
                changed = [name for name, code in told.items() if known.get(name, code) != code]
                yield from (Edited(event.revision, name) for name in sorted(changed))
            known |= told


def _told(event: RecordedEvent) -> dict[str, str]:
    match event.type:
        case RunStarted.__name__:
            return RunStarted.model_validate_json(event.data).code
        case RunResumed.__name__:
            return RunResumed.model_validate_json(event.data).code
        case StrategyUpgraded.__name__:
            upgraded = StrategyUpgraded.model_validate_json(event.data)
            return {upgraded.agent: upgraded.code} if upgraded.code else {}
    return {}
