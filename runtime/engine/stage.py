"""One stage of a run: its batches, its credit, its hosts, its snapshots. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from runtime.engine.barrier import Barrier, Sealing
from runtime.engine.batch import Batch, Batches
from runtime.engine.commands import Command, Commit, Forget, ReadHeld, Restore, Send, TakeSnapshot
from runtime.engine.credit import CreditLimits, CreditWindow
from runtime.engine.cursor import read_stage_cursor, stage_cursor
from runtime.engine.hunt import Hunt
from runtime.engine.keygroups import GROUPS
from runtime.engine.messages import BatchArrived, HeldRead, HostAnswered, SnapshotTaken
from runtime.engine.meter import Meter
from runtime.engine.partition import NOWHERE, Part, Partitioner
from runtime.engine.quarantine import Quarantine
from runtime.engine.results import GroupResult, Notice, Release, Results, Sealed, StageSnapshot, Who
from runtime.engine.roster import PARTS_AHEAD
from runtime.engine.routing import Groups, Routing
from runtime.engine.sequencer import Sequencer
from runtime.engine.spec import StageSpec
from runtime.engine.statistics import StageStats
from runtime.engine.suspicion import Piece

SNAPSHOT_BATCHES = 4_096
"""A snapshot is due after so many batches, however small."""


Accepted = tuple[tuple[Sealed, ...], tuple[Notice, ...]]
"""What results release: what may be appended and recorded now, in order."""


class Stage:
    """Follows each batch of a stage from its arrival until a snapshot reflects it.

    A key group's state is always the last durable snapshot and, in their order, the batches
    held since. So a group can be given to any host at any time: the host restores it and is
    given those batches again. `pulled` and `idle` say whether a batch was asked for, and
    whether the feed had nothing; `ended` that it never will have; `stored` that there is a
    snapshot; `position` is the durable watermark, `parts_ahead` how many parts each host is
    to have: while the stage keeps up with a live feed, events would only wait longer behind a
    second.
    """

    def __init__(
        self, spec: StageSpec, limits: CreditLimits, snapshot_events: int, tickets: Iterator[int]
    ) -> None:
        self.spec = spec
        self.position = spec.position
        self.pulled = self.idle = self.ended = False
        self.parts_ahead = PARTS_AHEAD
        self.routing = Routing()
        self._tickets = tickets
        self._credit = CreditWindow(limits)
        self._retained = CreditWindow(limits.retention(snapshot_events))
        self._release_limit = min(limits.events, limits.batch)
        self._due = CreditLimits(snapshot_events, limits.bytes, SNAPSHOT_BATCHES)
        self._partitioner = Partitioner()
        self._sequencer: Sequencer[tuple[GroupResult, tuple[Notice, ...]]] = Sequencer()
        self.quarantine = Quarantine(spec.parked)
        self._hunt = Hunt()
        self._batches = Batches()
        self._since = (0, 0, 0)
        self.stored = bool(spec.cursor)
        self._barrier: Barrier | None = None
        self._sealing: Sealing | None = None
        self._may_move = True
        self._cursor = read_stage_cursor(spec.cursor)[0] if spec.cursor else 0, spec.cursor
        self.quarantine.reach(self._cursor[0])
        self._now = 0.0
        self._barriers, self._meter = 0, Meter()

    @property
    def resting(self) -> bool:
        """Whether nothing is to be asked for now, whatever room there is."""
        busy = self.pulled or self.quarantine.holding or not self.routing.slots
        return busy or self.idle or self.ended

    def room(self) -> int:
        """How many events there is room for now."""
        room, block = min(self._credit.room(), self._retained.room()), self.spec.block
        if 0 < room < block:
            room = block if self._credit.idle else 0
        return room

    @property
    def load(self) -> float:
        """The share of its credit that is in use, 0 to 1."""
        return self._credit.load

    @property
    def quiet(self) -> bool:
        """Whether nothing is asked for, decided on, or waiting to be durable."""
        return self._at_rest and not (self.quarantine.holding or self.quarantine.unsettled())

    @property
    def _at_rest(self) -> bool:
        return not self.pulled and self._batches.durable and not self._snapshotting

    @property
    def finished(self) -> bool:
        """Whether all there will ever be is durable."""
        return self.ended and self.quiet and not self.quarantine.waiting

    def has_read(self, position: int) -> bool:
        """Whether it has taken in all below a position, and what it had before it was resumed."""
        return self._cursor[0] >= max(position, self.spec.position)

    @property
    def reflected(self) -> bool:
        """Whether a durable snapshot reflects every batch."""
        return not len(self._batches)

    def arrive(self, arrived: BatchArrived) -> list[Command]:
        """Take in a batch and give each host its part."""
        self._cursor = arrived.end, stage_cursor(arrived.end, arrived.cursor)
        self.quarantine.reach(arrived.end)
        self.parts_ahead = 1 if arrived.age > 0.0 and not arrived.waiting else PARTS_AHEAD
        self._meter.arrived(arrived)
        return self._take_in(arrived.rows, arrived.at)

    def release(self, read: HeldRead, commit: int) -> list[Command]:
        """Give a parked aggregate what was held of it; recorded by `commit` first."""
        coming, limit = self._batches.coming, self._release_limit
        rows, begun, release = self.quarantine.send(read, coming, limit)
        recorded = Commit(commit, self.spec.name, (), notices=(begun,))
        return [recorded, *self._take_in(rows, self._now, release)]

    def _take_in(
        self, rows: pa.RecordBatch, at: float, release: Release | None = None
    ) -> list[Command]:
        groups, parts = self._partitioner.split(rows, self.routing.hosts)
        seq = self._batches.next_seq()
        batch = Batch(seq, rows, groups, *self._cursor, set(groups), at=at, release=release)
        self._batches.add(batch)
        self._credit.take(batch.events, batch.bytes)
        self._retained.take(batch.events, batch.bytes)
        events, size, batches = self._since
        self._since = (events + batch.events, size + batch.bytes, batches + 1)
        self._sequencer.expect(seq, groups)
        return [self._send(part, batch) for part in parts]

    def answer(self, answer: HostAnswered) -> Accepted:
        """Take a host's answer; returns what may be appended and recorded now, in order."""
        for group in answer.raised:
            self._suspect(answer.host, group)
        batch = self._batches.find(answer.seq)
        results = self._hunt.answered(answer)
        return ((), ()) if batch is None else self._accept(batch, results)

    def _accept(self, batch: Batch, results: Results) -> Accepted:
        """Count each result of a key group once; returns what they release, in order."""
        groups = {result.group for result in results if not result.held}
        ordinary = batch.release is None and len(groups) == len(results)
        if ordinary and groups <= batch.missing and self._sequencer.passed(batch.seq, groups):
            batch.missing -= groups
            ready = tuple([event for result in results for event in result.events])
            self._meter.decisions += len(ready)
            return ready, ()
        return self._accept_each(batch, results)

    def _accept_each(self, batch: Batch, results: Results) -> Accepted:
        released: list[Sealed] = []
        notices: list[Notice] = []
        quarantine, watched = self.quarantine, batch.release is not None
        for result in results:
            group = result.group
            if group not in batch.missing:
                if self._sealing is None:  # else what comes twice may have been freed
                    quarantine.check(result.parked)
                continue
            batch.missing.discard(group)
            noted: tuple[Notice, ...] = ()
            if watched or result.held:
                noted = quarantine.accept(batch.seq, result, self._now)
            if watched and result.parked:
                batch.cut_release(result.parked[0].position)
            for _, (freed, told) in self._sequencer.arrive(batch.seq, group, (result, noted)):
                released.extend(freed.events)
                notices.extend(told)
        self._meter.decisions += len(released)
        return tuple(released), tuple(notices)

    def blame(self, host: int, seq: int, piece: Piece | None) -> Accepted:
        """`host` died at batch `seq`; returns what is to be recorded if a culprit was found.

        Raises `HostDied` when hosts die again and again of what was decided on before.
        """
        batch = self._batches.find(seq)
        culprit = None if batch is None else self._hunt.blame(host, batch, piece)
        if batch is None or culprit is None or culprit.position is None:
            return (), ()
        row = batch.rows.filter(pc.equal(batch.rows.column("position"), culprit.position))
        if batch.release is None:
            whom = [Who(agent, culprit.aggregate) for agent in self.spec.agents]
            return (), self.quarantine.convict(whom, culprit.position, row)
        return self._accept(batch, (GroupResult(culprit.group, (), self.quarantine.give_up(row)),))

    def tick(self, now: float) -> None:
        """Time has passed."""
        self._now = now
        self.quarantine.tick(now)

    def read_held(self) -> ReadHeld | None:
        """The next release to begin, if there is one, the stage is at rest and nothing held."""
        if not (self.quarantine.holding and self._at_rest and self.reflected):
            return None
        return self.quarantine.begin(self.spec.name, self._release_limit)

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
        """Commits up to `commit` are durable since `at`: credit returns, the watermark moves.

        Returns whether a snapshot became durable.
        """
        for batch in self._batches.committed(commit):
            self._credit.give(batch.events, batch.bytes)
            self.position = max(self.position, batch.position)
            self._meter.durable(batch.events, at - batch.at, at)
        if self._sealing is None or self._sealing.commit > commit:
            return False
        for batch in self._batches.release(self._sealing.seq):
            self._retained.give(batch.events, batch.bytes)
            self._hunt.done(batch.seq)
        self._may_move, self._sealing, self.stored = self._sealing.moving, None, True
        self._meter.snapshots += 1
        self.routing.lose_groups(self.quarantine.stale)
        self.quarantine.stale.clear()
        return True

    def lose(self, host: int) -> None:
        """A host is gone: what it held is lost, a snapshot under way is given up."""
        self._hunt.lost_host()
        if self.routing.count(host):
            self.routing.lose(host)
            self._give_up_barrier()

    def hand_over(self) -> None:
        """Give up all that hosts hold: a durable snapshot reflects every batch."""
        self.routing.lose_groups(range(GROUPS))

    def settled(self, slots: tuple[int, ...]) -> bool:
        """Whether every key group is where it belongs, with `slots` in service."""
        return self.routing.whole and slots == self.routing.slots

    def reroute(self, slots: tuple[int, ...], serving: Mapping[int, int]) -> list[Command]:
        """Bring each key group to the host it belongs to.

        `slots` are those in service, `serving` the hosts of those that have one. Waits while
        a snapshot is being made durable, and for one before groups move from living hosts.
        """
        if self._sealing is not None or self.settled(slots):
            return []
        commands: list[Command] = []
        if slots != self.routing.slots and self._may_switch(slots):
            self._give_up_barrier()
            for host, groups in self.routing.switch(slots).items():
                commands.append(Forget(host, self.spec.name, groups))
        for host, groups in self.routing.settle(serving, self._hunt.probing).items():
            self._give_up_barrier()
            commands += self._rebuild(host, groups)
        self.routing.lose_groups(self._hunt.probing)
        return commands

    def barrier(self, slots: tuple[int, ...], *, final: bool = False) -> list[Command]:
        """Begin a snapshot behind the last batch if one is due."""
        moving = slots != self.routing.slots
        self._may_move = False
        last = self._batches.last
        unready = last is None or not self.routing.whole
        release = self.quarantine.holding or self.quarantine.unsettled()
        due = self._is_due() or moving or final or release
        if self._snapshotting or unready or not due:
            return []
        assert last is not None
        self._since = (0, 0, 0)
        self._barriers += 1
        self._barrier = Barrier(self._barriers, last.seq, last.cursor, moving)
        commands: list[Command] = []
        touched = set().union(*(batch.groups for batch in self._batches))
        for host, groups in self.routing.holders(touched).items():
            self._barrier.waiting.add(host)
            ticket = next(self._tickets)
            commands.append(TakeSnapshot(host, self.spec.name, ticket, self._barriers, groups))
        return commands

    def snapshot(self, taken: SnapshotTaken) -> None:
        """Take a host's part of the snapshot under way; of any other it is dropped."""
        barrier = self._barrier
        if barrier is not None and barrier.number == taken.barrier:
            barrier.waiting.discard(taken.host)
            barrier.parts.update(taken.parts)

    def take_snapshot(self, commit: int) -> Commit | None:
        """The commit that makes the snapshot durable, once all before it is decided.

        It also records what a release came to that the snapshot reflects.
        """
        barrier = self._barrier
        if barrier is None or barrier.waiting or not self._batches.landed_through(barrier.seq):
            return None
        self._barrier = None
        self._sealing = Sealing(commit, barrier.seq, barrier.moving)
        taken = StageSnapshot(barrier.cursor, barrier.parts, whole=not self.stored)
        notices = self.quarantine.settle(barrier.seq, self._now)
        return Commit(commit, self.spec.name, (), snapshot=taken, notices=notices)

    def stats(self, now: float) -> StageStats:
        """How the stage stands at `now`."""
        meter = self._meter
        return StageStats(
            events=meter.events,
            decisions=meter.decisions,
            position=self.position,
            batches=meter.sizes,
            credit=self._credit.stats(),
            retained=self._retained.stats(),
            waiting=meter.waiting,
            conflated=meter.dropped["conflate"],
            rejected=meter.dropped["reject"],
            snapshots=meter.snapshots,
            again=meter.again,
            rate=meter.rate(now),
            latency=meter.latency,
            parked=len(self.quarantine.entries),
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

    def _suspect(self, host: int, group: int) -> None:
        """An agent raised: have the key group restored, and go event by event there."""
        if self.routing.hosts[group] == host:
            self._hunt.raised(group)
            self.routing.lose_groups([group])
            self._give_up_barrier()

    def _send(self, part: Part, batch: Batch, *, mute: bool = False, careful: bool = False) -> Send:
        place = (part.host, self.spec.name, batch.seq, next(self._tickets))
        return Send(*place, part.rows, mute, careful, batch.release)

    def _rebuild(self, host: int, groups: Groups) -> list[Command]:
        """Have `host` restore key groups and decide again on what the snapshot lacks."""
        chosen = self.routing.hosts.copy()
        chosen[:] = NOWHERE
        chosen[list(groups)] = host
        careful = self._hunt.restored(groups)
        parked = self.quarantine.within(groups)
        commands: list[Command] = [Restore(host, self.spec.name, groups, self.stored, parked)]
        for batch in self._batches:
            for part in self._partitioner.split(batch.rows, chosen).parts:
                self._meter.again += part.rows.num_rows
                commands += self._send_again(part, batch, careful=careful)
            if self._hunt.probes(batch.seq, groups):
                break
        return commands

    def _send_again(self, part: Part, batch: Batch, *, careful: bool) -> Iterator[Send]:
        """A part of a batch that is held; in pieces, if hosts died on it."""
        pieces = self._hunt.pieces(part, batch)
        if pieces is None:
            mute = batch.missing.isdisjoint(part.groups)
            yield self._send(part, batch, mute=mute, careful=careful)
            return
        for piece, rows in pieces:
            sent = self._send(Part(part.host, (piece.group,), rows), batch, careful=True)
            self._hunt.sent(sent.ticket, batch.seq, piece)
            yield sent._replace(mute=piece.group not in batch.missing, piece=piece)
