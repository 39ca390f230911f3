"""What a run writes of itself: its own stream, signed and chained like every other.

Lifecycle events carry the epoch as their time, since nothing signed comes from a clock;
the store's `recorded_at` says when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from runtime.engine.committer import StoredLog
from runtime.engine.pen import Author, Pen
from runtime.engine.plan import RunPlan
from runtime.errors import FeedChanged, RunConflict, StoreError, StreamNotFound
from runtime.events import (
    RecordedEvent,
    RunCompleted,
    RunPaused,
    RunResumed,
    RunStarted,
    StrategyUpgraded,
    run_stream,
)
from runtime.identity import SigningKey, recorded_digest, run_root
from runtime.jobs.code import code_of, edit_notes, last_code
from runtime.store import EventStore, Fence, Filter, Write, open_store


class Beginning(NamedTuple):
    """Whether a run is `new`; what its user is to be told before it goes on."""

    new: bool
    notes: tuple[str, ...] = ()


class Journal:
    """The own stream of a run: how it started, was paused, resumed, and ended."""

    def __init__(self, store: EventStore, plan: RunPlan, key: SigningKey, fence: Fence) -> None:
        self._store, self._plan, self._key, self._fence = store, plan, key, fence
        self._stream = run_stream(plan.run)

    def begin(
        self,
        declared: Mapping[str, Any],
        fingerprint: Mapping[str, str],
        refused: Sequence[str] = (),
        upgrades: Sequence[StrategyUpgraded] = (),
    ) -> Beginning:
        """Record the start, or that the run goes on.

        `refused` says what is wrong with snapshots that are not used, `upgrades` which agents
        decide with something else from here.

        Raises `RunConflict` if the store holds a run of this name with other agents or
        parameters, or one of its agents in another run; `FeedChanged` if an input changed.
        """
        last = self._last()
        if last is None:
            self._refuse_shared_agents()
            self._append(self._start(declared, fingerprint), *upgrades)
            return Beginning(new=True)
        self._refuse_changes(declared)
        if last.type == RunCompleted.__name__:
            return Beginning(new=False)
        resumed = RunResumed(
            run_id=self._plan.run_id,
            fingerprint=dict(fingerprint),
            refused_snapshots=tuple(refused),
            code=code_of(self._plan),
        )
        known = last_code(self._store.read_stream(self._stream))
        edits = edit_notes(known, self._plan, {one.agent for one in upgrades})
        self._append(*upgrades, resumed)
        return Beginning(new=False, notes=(*refused, *edits))

    def end(self, *, completed: bool) -> RunPaused:
        """Record the root the run has come to; a completed run is not completed twice."""
        heads = decision_heads(self._store, [agent.name for agent in self._plan.agents])
        digests = {event.stream: recorded_digest(event) for event in heads}
        kind = RunCompleted if completed else RunPaused
        ended = kind(
            run_id=self._plan.run_id,
            root=run_root(digests),
            streams=len(heads),
            decisions=sum(event.revision + 1 for event in heads),
        )
        last = self._last()
        if last is None or last.type != RunCompleted.__name__:
            self._append(ended)
        return ended

    def _start(self, declared: Mapping[str, Any], fingerprint: Mapping[str, str]) -> RunStarted:
        return RunStarted(
            run=self._plan.run,
            run_id=self._plan.run_id,
            author=self._key.did,
            agents=declared["agents"],
            feeds=declared["feeds"],
            locations=declared["locations"],
            fingerprint=dict(fingerprint),
            signing_block=declared.get("signing_block", 1),
            code=code_of(self._plan),
        )

    def _last(self) -> RecordedEvent | None:
        try:
            return next(iter(self._store.read_stream(self._stream, backwards=True, limit=1)), None)
        except StreamNotFound:
            return None

    def _append(self, *bodies: BaseModel) -> None:
        """Append events, all or none, to what the stream has by now."""
        plan, key = self._plan, self._key
        pen = Pen(Author(plan.run, plan.run_id, key.did, key.sign, {}), StoredLog(self._store))
        for body in bodies:
            pen.write(self._stream, body, f"lifecycle/{plan.run_id}")
        self._store.write(Write(tuple(pen.appends()), fence=self._fence))

    def _refuse_shared_agents(self) -> None:
        mine = {agent.name for agent in self._plan.agents}
        for started in started_runs(self._store):
            shared = mine & {agent["name"] for agent in started.agents}
            if shared:
                raise RunConflict(
                    f"agent {min(shared)!r} has its streams in this store from run"
                    f" {started.run!r}: use another store, or give the agent another name"
                )

    def _refuse_changes(self, declared: Mapping[str, Any]) -> None:
        runs = {one.run: one for one in started_runs(self._store)}
        if self._plan.run not in runs:
            raise RunConflict(
                f"what run {self._plan.run!r} recorded of its start cannot be read:"
                " see 'lucent verify'"
            )
        started = runs[self._plan.run]
        if started.author != self._key.did:
            raise RunConflict(
                f"run {started.run!r} was begun with another 'supervisor' key,"
                f" {started.author}: go on with that key"
            )
        if started.run_id == self._plan.run_id:
            return
        for before, now in zip(started.feeds, declared["feeds"], strict=False):
            if before | {"digest": ""} == now | {"digest": ""} and before != now:
                raise FeedChanged(
                    f"the content of feed {now['name']!r} changed since run {self._plan.run!r}"
                    f" began (SHA-256 was {before['digest']}, is {now['digest']}):"
                    " put the old file back, or use a new store or run name"
                )
        raise RunConflict(
            f"this store holds run {self._plan.run!r} with {_difference(started, declared)}:"
            " use another store, or give the run and its agents other names; another strategy,"
            " version or parameters of an agent can also decide from here: lucent upgrade CONFIG"
        )


def is_complete(place: str | Path, run: str) -> bool:
    """Whether the store at `place` holds that run, complete."""
    try:
        with closing(open_store(place)) as store:
            last = store.read_stream(run_stream(run), backwards=True, limit=1)
            return [event.type for event in last] == [RunCompleted.__name__]
    except StoreError:
        return False


def decision_heads(store: EventStore, agents: list[str]) -> list[RecordedEvent]:
    """The last event of each decision stream of these agents."""
    return [event for agent in agents for event in store.heads(f"agent-{agent}/")]


def started_runs(store: EventStore) -> list[RunStarted]:
    """What each run in the store recorded when it started, in log order.

    Events that cannot be read, or do not stand in their run's own stream, are passed over:
    `lucent verify` names them.
    """
    only = Filter(streams=["system-"], types=[RunStarted.__name__])
    started = []
    for event in store.read_all(only=only):
        with suppress(ValidationError):
            start = RunStarted.model_validate_json(event.data)
            if event.stream == run_stream(start.run):
                started.append(start)
    return started


def _difference(started: RunStarted, declared: Mapping[str, Any]) -> str:
    for what in ("agents", "feeds"):
        before = {one["name"]: one for one in getattr(started, what)}
        now = {one["name"]: one for one in declared[what]}
        if before.keys() != now.keys():
            return f"other {what} ({', '.join(sorted(before))})"
        for name in sorted(now):
            fields = [f for f in sorted(now[name]) if before[name].get(f) != now[name][f]]
            if fields:
                was = before[name].get(fields[0])
                other = "other" if fields[0] == "parameters" else "another"
                return f"{other} {fields[0]} of {name!r} (it was {was!r})"
    return f"another order of agents or feeds (its id is {started.run_id})"
