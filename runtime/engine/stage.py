"""One stage of a run: its batches in flight, its credit, its checkpoint. Pure."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from runtime.engine.credit import CreditLimits, CreditStats, CreditWindow
from runtime.engine.messages import BatchArrived, HostAnswered, Sealed, SnapshotTaken
from runtime.engine.partition import Part, Partitioner
from runtime.engine.sequencer import Sequencer
from runtime.errors import StoreDamaged

EVENT_BYTES = 64
"""First guess of the size of an event, until a batch was seen."""


@dataclass(frozen=True, slots=True)
class StageSpec:
    """A stage: its name, the stages whose decisions it takes in, where it goes on.

    `upstream` is empty for a stage that takes in observations. `position` is the watermark
    of its last checkpoint: all it decided on causes before it is in the log.
    """

    name: str
    upstream: tuple[str, ...] = ()
    position: int = 0


@dataclass(slots=True)
class Flight:
    """A batch that is not durable yet: its size, its end, the hosts that have not answered."""

    seq: int
    events: int
    bytes: int
    position: int
    cursor: str
    waiting: set[int]


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """Sizes of the batches seen, in events."""

    count: int = 0
    total: int = 0
    smallest: int = 0
    largest: int = 0

    def with_batch(self, events: int) -> BatchSizes:
        """The sizes with one more batch."""
        smallest = min(self.smallest, events) if self.count else events
        return BatchSizes(self.count + 1, self.total + events, smallest, max(self.largest, events))


@dataclass(frozen=True, slots=True)
class StageStats:
    """How a stage stands: events taken in and decided, its watermark, batches and credit."""

    events: int
    decisions: int
    position: int
    batches: BatchSizes
    credit: CreditStats


@dataclass(slots=True)
class Barrier:
    """A snapshot under way: behind which batch, what it reflects, who has not answered."""

    seq: int
    cursor: str
    waiting: set[int]
    parts: dict[int, bytes] = field(default_factory=dict)


def stage_cursor(position: int, feed: str) -> str:
    """The cursor of a stage: its watermark and its feed's own cursor, as JSON."""
    return json.dumps({"position": position, "feed": feed}, sort_keys=True)


def read_stage_cursor(cursor: str) -> tuple[int, str]:
    """Watermark and feed cursor of a stage's cursor; `StoreDamaged` if it is none."""
    try:
        fields = json.loads(cursor)
        return int(fields["position"]), str(fields["feed"])
    except (ValueError, TypeError, KeyError):
        raise StoreDamaged(
            f"{cursor[:80]!r} is not where a stage can go on: restore the store from a copy"
        ) from None


class Stage:
    """Follows each batch of a stage from its arrival until it is durable.

    `pulled` and `idle` say whether a batch was asked for, and whether the feed had nothing;
    `ended` that it never will have; `position` is the durable watermark.
    """

    def __init__(
        self, spec: StageSpec, limits: CreditLimits, hosts: NDArray[np.int32], snapshot_events: int
    ) -> None:
        self.spec = spec
        self.position = spec.position
        self.pulled = self.idle = self.ended = False
        self._credit = CreditWindow(limits, EVENT_BYTES)
        self._partitioner = Partitioner(hosts)
        self._sequencer: Sequencer[tuple[Sealed, ...]] = Sequencer()
        self._flights: deque[Flight] = deque()
        self._landing: deque[tuple[int, Flight]] = deque()
        self._next_seq = self._completed_seq = 0
        self._snapshot_events = snapshot_events
        self._since_snapshot = self._events = self._decisions = 0
        self._last_cursor: str | None = None
        self._barrier: Barrier | None = None
        self._sizes = BatchSizes()

    def room(self) -> int:
        """How many events may be asked for now."""
        return 0 if self.pulled or self.idle or self.ended else self._credit.room()

    @property
    def quiet(self) -> bool:
        """Whether nothing is asked for, decided on, or waiting to be durable."""
        return not (self.pulled or self._flights or self._landing or self._barrier)

    @property
    def finished(self) -> bool:
        """Whether all there will ever be is durable."""
        return self.ended and self.quiet

    def arrive(self, batch: BatchArrived) -> tuple[int, list[Part]]:
        """Take in a batch; returns its number and its parts, one a host."""
        seq, self._next_seq = self._next_seq, self._next_seq + 1
        parts = self._partitioner.split(batch.rows)
        events, size = batch.rows.num_rows, batch.rows.nbytes
        cursor = stage_cursor(batch.end, batch.cursor)
        waiting = {part.host for part in parts}
        self._flights.append(Flight(seq, events, size, batch.end, cursor, waiting))
        self._credit.take(events, size)
        self._events += events
        self._since_snapshot += events
        self._last_cursor = cursor
        if events:
            self._sizes = self._sizes.with_batch(events)
        for part in parts:
            self._sequencer.expect(seq, part.groups)
        return seq, parts

    def answer(self, answer: HostAnswered) -> tuple[Sealed, ...]:
        """Take a host's answer; returns the events that may be appended now, in order."""
        flight = next((flight for flight in self._flights if flight.seq == answer.seq), None)
        if flight is None or answer.host not in flight.waiting:
            return ()
        flight.waiting.discard(answer.host)
        released: list[Sealed] = []
        for group, events in answer.results:
            for _, ready in self._sequencer.arrive(answer.seq, group, events):
                released.extend(ready)
        self._decisions += len(released)
        return tuple(released)

    def land(self, commit: int) -> str | None:
        """Let `commit` cover all batches decided without a gap; returns the new cursor."""
        cursor = None
        while self._flights and not self._flights[0].waiting:
            flight = self._flights.popleft()
            self._landing.append((commit, flight))
            self._completed_seq = flight.seq + 1
            cursor = flight.cursor
        return cursor

    def committed(self, commit: int) -> None:
        """Commits up to `commit` are durable: gives their credit back, moves the watermark."""
        while self._landing and self._landing[0][0] <= commit:
            _, flight = self._landing.popleft()
            self._credit.give(flight.events, flight.bytes)
            self.position = max(self.position, flight.position)

    def barrier(self, hosts: set[int], *, final: bool = False) -> int | None:
        """Begin a snapshot behind the last batch if one is due; returns that batch's number."""
        due = self._since_snapshot >= (1 if final else self._snapshot_events)
        if self._barrier is not None or self._last_cursor is None or not due:
            return None
        self._since_snapshot = 0
        self._barrier = Barrier(self._next_seq - 1, self._last_cursor, set(hosts))
        return self._barrier.seq

    def snapshot(self, taken: SnapshotTaken) -> None:
        """Take a host's part of the snapshot under way; of any other it is dropped."""
        barrier = self._barrier
        if barrier is not None and barrier.seq == taken.seq and taken.host in barrier.waiting:
            barrier.waiting.discard(taken.host)
            barrier.parts.update(taken.parts)

    def take_snapshot(self) -> tuple[str, dict[int, bytes]] | None:
        """The snapshot, once every host gave its part and all batches before it are decided."""
        barrier = self._barrier
        if barrier is None or barrier.waiting or self._completed_seq <= barrier.seq:
            return None
        self._barrier = None
        return barrier.cursor, barrier.parts

    def stats(self) -> StageStats:
        """How the stage stands."""
        return StageStats(
            self._events, self._decisions, self.position, self._sizes, self._credit.stats()
        )
