"""Whether strategies can read the state that those before them left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from runtime.engine.commands import Restore
from runtime.engine.host import Host
from runtime.engine.keygroups import GROUPS
from runtime.engine.plan import RunPlan, StagePlan, build_host
from runtime.errors import SnapshotDamaged

if TYPE_CHECKING:  # hosts import no store
    from runtime.store import EventStore

SOME = 32
"""The state of so many key groups is read at a time."""

Parts = Mapping[int, bytes]
"""The state of key groups, as a snapshot holds it."""


def left(store: EventStore, run: str, stage: str) -> Iterator[Parts]:
    """What a stage left, some key groups at a time; nothing from where a snapshot is damaged."""
    with suppress(SnapshotDamaged):
        for first in range(0, GROUPS, SOME):
            snapshot = store.snapshot(f"{run}/{stage}", range(first, first + SOME))
            if snapshot is None:
                return
            if snapshot.parts:
                yield snapshot.parts


def heir(plan: RunPlan) -> Host:
    """A host with none but the newest strategies of each agent, whatever decided before."""
    return build_host(replace(plan, stages=tuple(map(_newest, plan.stages))))


def refuse_unreadable(host: Host, stage: str, parts: Parts) -> None:
    """Have a host read state that was left, and forget it; raises `StateInvalid`."""
    host.restore(Restore(0, stage, tuple(parts), stored=True), parts)
    host.forget(stage, tuple(parts))


def _newest(stage: StagePlan) -> StagePlan:
    agents = tuple(
        replace(
            agent,
            earlier=tuple(
                replace(one, strategy=agent.strategy, parameters=agent.parameters)
                for one in agent.earlier
            ),
        )
        for agent in stage.agents
    )
    return replace(stage, agents=agents)
