"""One stage of a run: its batches, its credit, its hosts, its snapshots. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from runtime.engine.batch import Batch, Batches
from runtime.engine.credit import CreditLimits, CreditWindow
from runtime.engine.cursor import stage_cursor
from runtime.engine.keygroups import GROUPS
from runtime.engine.latency import Latencies, Rate
from runtime.engine.messages import (
    BatchArrived,
    Command,
    Forget,
    HostAnswered,
    Restore,
    Sealed,
    Send,
    SnapshotTaken,
    StageSnapshot,
    TakeSnapshot,
)
from runtime.engine.partition import NOWHERE, Part, Partitioner
from runtime.engine.routing import Groups, Routing
from runtime.engine.sequencer import Sequencer
from runtime.engine.statistics import PERCENTILES, BatchSizes, StageStats

EVENT_BYTES = 64
"""First guess of the size of an event, until a batch was seen."""

SNAPSHOT_BATCHES = 4_096
"""A snapshot is due after so many batches, however small."""


@dataclass(frozen=True, slots=True)
class StageSpec:
    """A stage: its name, the stages whose decisions it takes in, where it goes on.

    `upstream` is empty for a stage that takes in observations. `position` is the watermark
    of its last checkpoint: all it decided on causes before it is in the log. `stored` says
    that the store has a snapshot of it.
    """

    name: str
    upstream: tuple[str, ...] = ()
    position: int = 0
    stored: bool = False


@dataclass(slots=True)
class Barrier:
    """A snapshot under way: what it reflects, which groups, who has not answered.

    `moving` says that key groups are to move behind it.
    """

    number: int
    seq: int
    cursor: str
    moving: bool
    waiting: set[int] = field(default_factory=set)
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Sealing:
    """A snapshot that a commit under way makes durable."""

    commit: int
    seq: int
    moving: bool


class Stage:
    """Follows each batch of a stage from its arrival until a snapshot reflects it.

    A key group's state is always the last durable snapshot and, in their order, the batches
    held since. So a group can be given to any host at any time: the host restores it and is
    given those batches again. `pulled` and `idle` say whether a batch was asked for, and
    whether the feed had nothing; `ended` that it never will have; `position` is the
    durable watermark.
    """

    def __init__(
        self, spec: StageSpec, limits: CreditLimits, snapshot_events: int, tickets: Iterator[int]
    ) -> None:
        self.spec = spec
        self.position = spec.position
        self.pulled = self.idle = self.ended = False
        self.routing = Routing()
        self._tickets = tickets
        self._credit = CreditWindow(limits, EVENT_BYTES)
        self._retained = CreditWindow(_retention(limits, snapshot_events), EVENT_BYTES)
        self._due = CreditLimits(snapshot_events, limits.bytes, SNAPSHOT_BATCHES)
        self._partitioner = Partitioner()
        self._sequencer: Sequencer[tuple[Sealed, ...]] = Sequencer()
        self._batches = Batches()
        self._since = (0, 0, 0)
        self._stored = spec.stored
        self._barrier: Barrier | None = None
        self._sealing: _Sealing | None = None
        self._may_move = True
        self._events = self._decisions = self._barriers = self._snapshots = self._again = 0
        self._sizes = BatchSizes()
        self._latencies, self._rate = Latencies(), Rate()

    def room(self) -> int:
        """How many events may be asked for now."""
        if self.pulled or self.idle or self.ended or not self.routing.slots:
            return 0
        return min(self._credit.room(), self._retained.room())

    @property
    def quiet(self) -> bool:
        """Whether nothing is asked for, decided on, or waiting to be durable."""
        return not self.pulled and self._batches.durable and not self._snapshotting

    @property
    def finished(self) -> bool:
        """Whether all there will ever be is durable."""
        return self.ended and self.quiet

    @property
    def reflected(self) -> bool:
        """Whether a durable snapshot reflects every batch."""
        return not len(self._batches)

    def arrive(self, arrived: BatchArrived) -> list[Command]:
        """Take in a batch and give each host its part."""
        rows = arrived.rows
        groups = self._partitioner.touched(rows) if rows.num_rows else ()
        cursor = stage_cursor(arrived.end, arrived.cursor)
        seq = self._batches.next_seq()
        batch = Batch(seq, rows, groups, arrived.end, cursor, set(groups), at=arrived.at)
        self._batches.add(batch)
        self._credit.take(batch.events, batch.bytes)
        self._retained.take(batch.events, batch.bytes)
        events, size, batches = self._since
        self._since = (events + batch.events, size + batch.bytes, batches + 1)
        self._events += batch.events
        if batch.events:
            self._sizes = self._sizes.with_batch(batch.events)
        self._sequencer.expect(seq, groups)
        parts = self._partitioner.split(rows, self.routing.hosts)
        return [self._send(part, seq) for part in parts]

    def answer(self, answer: HostAnswered) -> tuple[Sealed, ...]:
        """Take a host's answer; returns the events that may be appended now, in order."""
        batch = self._batches.find(answer.seq)
        if batch is None:
            return ()
        released: list[Sealed] = []
        for group, events in answer.results:
            if group in batch.missing:
                batch.missing.discard(group)
                for _, ready in self._sequencer.arrive(answer.seq, group, events):
                    released.extend(ready)
        self._decisions += len(released)
        return tuple(released)

    def land(self, commit: int) -> tuple[bool, str | None]:
        """Let `commit` cover all batches decided without a gap.

        Returns whether there were any, and the checkpoint they bring about: none as long as
        what is decided again, after a resume, is behind the last one.
        """
        batch = self._batches.land(commit)
        if batch is None:
            return False, None
        return True, batch.cursor if batch.position >= self.spec.position else None

    def committed(self, commit: int, at: float) -> bool:
        """Commits up to `commit` are durable since `at`: gives their credit back, moves the watermark.

        Returns whether a snapshot became durable.
        """
        for batch in self._batches.committed(commit):
            self._credit.give(batch.events, batch.bytes)
            self.position = max(self.position, batch.position)
            if batch.events:
                self._latencies.add(at - batch.at, batch.events)
                self._rate.add(at, batch.events)
        if self._sealing is None or self._sealing.commit > commit:
            return False
        for batch in self._batches.release(self._sealing.seq):
            self._retained.give(batch.events, batch.bytes)
        self._may_move, self._sealing, self._stored = self._sealing.moving, None, True
        self._snapshots += 1
        return True

    def lose(self, host: int) -> None:
        """A host is gone: what it held is lost, a snapshot under way is given up."""
        if self.routing.count(host):
            self.routing.lose(host)
            self._give_up_barrier()

    def reroute(self, slots: tuple[int, ...], serving: Mapping[int, int]) -> list[Command]:
        """Bring each key group to the host it belongs to.

        `slots` are those in service, `serving` the hosts of those that have one. Waits while
        a snapshot is being made durable, and for one before groups move from living hosts.
        """
        settled = slots == self.routing.slots and self.routing.whole
        if self._sealing is not None or settled:
            self._may_move = False
            return []
        commands: list[Command] = []
        if slots != self.routing.slots and self._may_switch(slots):
            self._give_up_barrier()
            for host, groups in self.routing.switch(slots).items():
                commands.append(Forget(host, self.spec.name, groups))
        for host, groups in self.routing.settle(serving).items():
            self._give_up_barrier()
            commands += self._rebuild(host, groups)
        self._may_move = False
        return commands

    def barrier(self, slots: tuple[int, ...], *, final: bool = False) -> list[Command]:
        """Begin a snapshot behind the last batch if one is due."""
        moving = slots != self.routing.slots
        last = self._batches.last
        busy = self._snapshotting or last is None or not self.routing.whole
        if busy or not (self._is_due() or moving or final):
            return []
        assert last is not None
        self._since = (0, 0, 0)
        self._barriers += 1
        self._barrier = Barrier(self._barriers, last.seq, last.cursor, moving)
        touched = {group for batch in self._batches for group in batch.groups}
        commands: list[Command] = []
        for host in sorted({int(self.routing.hosts[group]) for group in touched}):
            self._barrier.waiting.add(host)
            groups = tuple(sorted(g for g in touched if self.routing.hosts[g] == host))
            ticket = next(self._tickets)
            commands.append(TakeSnapshot(host, self.spec.name, ticket, self._barriers, groups))
        return commands

    def snapshot(self, taken: SnapshotTaken) -> None:
        """Take a host's part of the snapshot under way; of any other it is dropped."""
        barrier = self._barrier
        if barrier is not None and barrier.number == taken.barrier:
            barrier.waiting.discard(taken.host)
            barrier.parts.update(taken.parts)

    def take_snapshot(self, commit: int) -> StageSnapshot | None:
        """The snapshot, once every host gave its part and all batches before it are decided.

        It is durable with `commit`.
        """
        barrier = self._barrier
        if barrier is None or barrier.waiting or not self._batches.landed_through(barrier.seq):
            return None
        self._barrier = None
        self._sealing = _Sealing(commit, barrier.seq, barrier.moving)
        return StageSnapshot(barrier.cursor, barrier.parts, whole=not self._stored)

    def stats(self, now: float) -> StageStats:
        """How the stage stands at `now`."""
        return StageStats(
            events=self._events,
            decisions=self._decisions,
            position=self.position,
            batches=self._sizes,
            credit=self._credit.stats(),
            retained=self._retained.stats(),
            snapshots=self._snapshots,
            again=self._again,
            rate=self._rate.at(now),
            latency=tuple(self._latencies.percentile(share) for share in PERCENTILES),
            lost=int((self.routing.hosts == NOWHERE).sum()) if self.routing.slots else GROUPS,
        )

    @property
    def _snapshotting(self) -> bool:
        return self._barrier is not None or self._sealing is not None

    def _is_due(self) -> bool:
        events, size, batches = self._since
        due = self._due
        return events >= due.events or size >= due.bytes or batches >= due.batch

    def _may_switch(self, slots: tuple[int, ...]) -> bool:
        """Whether little would have to be decided again, or there is no other way."""
        return self._may_move or not len(self._batches) or self.routing.homeless(slots)

    def _give_up_barrier(self) -> None:
        """Give up a snapshot that waits for a host; the next attempt is due at once."""
        if self._barrier is not None:
            self._barrier = None
            self._since = (self._due.events, 0, 0)

    def _send(self, part: Part, seq: int, *, mute: bool = False) -> Send:
        return Send(part.host, self.spec.name, seq, next(self._tickets), part.rows, mute)

    def _rebuild(self, host: int, groups: Groups) -> list[Command]:
        """Have `host` restore key groups and decide again on what the snapshot lacks."""
        chosen = self.routing.hosts.copy()
        chosen[:] = NOWHERE
        chosen[list(groups)] = host
        commands: list[Command] = [Restore(host, self.spec.name, groups, self._stored)]
        for batch in self._batches:
            for part in self._partitioner.split(batch.rows, chosen):
                mute = batch.missing.isdisjoint(part.groups)
                self._again += part.rows.num_rows
                commands.append(self._send(part, batch.seq, mute=mute))
        return commands


def _retention(limits: CreditLimits, snapshot_events: int) -> CreditLimits:
    """What may be held: up to two intervals between snapshots, beside what is unfinished."""
    return CreditLimits(2 * snapshot_events + limits.events, 3 * limits.bytes, limits.batch)
