"""What the log holds of aggregates in quarantine, read back."""

from __future__ import annotations

from base64 import b64decode
from bisect import bisect_left
from collections.abc import Iterator
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from runtime.engine.commands import ReadHeld
from runtime.engine.ipc import read_ipc
from runtime.engine.quarantine import InQuarantine
from runtime.engine.results import Who
from runtime.errors import StreamNotFound
from runtime.events import (
    EventsHeld,
    RecordedEvent,
    ReleaseAdvanced,
    ReleaseBegun,
    is_quarantine_stream,
    quarantine_stream,
    run_stream,
)


class Streams(Protocol):
    """What is asked of an event store."""

    def heads(self, prefix: str = "") -> Iterator[RecordedEvent]:
        """The last event of each stream that begins with `prefix`."""

    def revision(self, stream: str) -> int:
        """The revision of the last event of `stream`, -1 if it was never written."""

    def read_stream(
        self, stream: str, start: int | None = None, *, limit: int | None = None
    ) -> Iterator[RecordedEvent]:
        """The events of `stream` from revision `start` on.

        Raises `StreamNotFound` for one that was never written.
        """


class Standing(BaseModel):
    """How an aggregate stands, as the last event of its quarantine stream says.

    `QuarantineEvent` tells what it means. Older logs do not tell what is 0 here.
    """

    stage: str
    agent: str
    aggregate: str
    parked_at: int | None
    held_to: int
    held: int = 0
    tries: int = 0
    tries_left: int = 0


def in_quarantine(store: Streams, run: str) -> dict[str, tuple[InQuarantine, ...]]:
    """What a run has to know of its aggregates in quarantine to go on, by stage."""
    found: dict[str, tuple[InQuarantine, ...]] = {}
    for event in store.heads(f"{run_stream(run)}/"):
        if not is_quarantine_stream(event.stream):
            continue
        standing = Standing.model_validate_json(event.data)
        if standing.parked_at is None:
            continue
        begun = event.type in (ReleaseBegun.__name__, ReleaseAdvanced.__name__)
        drop = (
            event.type == ReleaseBegun.__name__
            and ReleaseBegun.model_validate_json(event.data).drop
        )
        who = Who(standing.agent, standing.aggregate)
        place = who, standing.parked_at, standing.held_to
        again = standing.tries_left > 0
        one = InQuarantine(*place, begun, drop, standing.tries, again)
        found[standing.stage] = (*found.get(standing.stage, ()), one)
    return found


def held_batches(store: Streams, run: str, command: ReadHeld) -> tuple[pa.RecordBatch, ...]:
    """What is held of a parked aggregate, from the event it was parked at on."""
    batches: list[pa.RecordBatch] = []
    stream = quarantine_stream(run, *command.who)
    missing = command.limit
    for event in quarantine_events(store, stream, _held_to(store, stream, command.first)):
        if event.type == EventsHeld.__name__:
            rows = read_ipc(b64decode(EventsHeld.model_validate_json(event.data).rows))
            rows = rows.filter(pc.greater_equal(rows.column("position"), command.first))
            batches += [rows] if rows.num_rows else []
            missing -= rows.num_rows
        if missing <= 0:
            break
    return tuple(batches)


def quarantine_events(store: Streams, stream: str, start: int = 0) -> Iterator[RecordedEvent]:
    """The events of a quarantine stream from revision `start` on, none if there are none."""
    try:
        yield from store.read_stream(stream, start)
    except StreamNotFound:
        return


def _held_to(store: Streams, stream: str, position: int) -> int:
    """The first revision of a quarantine stream at which that position was held; by bisection."""

    def held_to(revision: int) -> int:
        event = next(iter(store.read_stream(stream, revision, limit=1)), None)
        return position if event is None else Standing.model_validate_json(event.data).held_to

    return bisect_left(range(store.revision(stream) + 1), position, key=held_to)
