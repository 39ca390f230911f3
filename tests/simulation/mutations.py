"""Bugs planted on purpose: each breaks one rule of the engine, and the simulation must find it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from runtime.engine.batch import Batch, Batches
from runtime.engine.commands import Command, Commit, Restore, Send, TakeSnapshot
from runtime.engine.handover import Handover
from runtime.engine.ledger import Ledger
from runtime.engine.messages import HeldRead
from runtime.engine.quarantine import Quarantine
from runtime.engine.results import Switched, Taken
from runtime.engine.roster import Roster
from runtime.engine.routing import Groups, Routing
from runtime.engine.sequencer import Sequencer
from runtime.engine.simulation.process import Process
from runtime.engine.stage import Stage
from runtime.engine.supervisor import Supervisor
from runtime.engine.suspicion import Piece, Suspicion
from runtime.feeds import Record
from runtime.store import Write

Plant = Callable[[pytest.MonkeyPatch], None]


def credit_returned_too_early(patch: pytest.MonkeyPatch) -> None:
    """Credit goes back when a batch is decided, not when it is durable."""
    commit = Supervisor._commit

    def hasty(self: Supervisor, stage: Stage, *decided: Any) -> list[Command]:
        commands = commit(self, stage, *decided)
        for command in commands:
            if isinstance(command, Commit):
                stage.committed(command.number, 0.0)
        return commands

    patch.setattr(Supervisor, "_commit", hasty)


def checkpoint_before_append(patch: pytest.MonkeyPatch) -> None:
    """A checkpoint covers batches whose results have not all come."""
    land = Batches.land

    def hasty(self: Batches, commit: int) -> Batch | None:
        for batch in self:
            if len(batch.missing) == 1:
                batch.missing.clear()
        return land(self, commit)

    patch.setattr(Batches, "land", hasty)


def missing_fence(patch: pytest.MonkeyPatch) -> None:
    """Writes bear no epoch."""
    write = Ledger.write

    def unfenced(self: Ledger, commits: Iterable[Commit]) -> Write:
        self.fence = None
        return write(self, commits)

    patch.setattr(Ledger, "write", unfenced)


def snapshot_without_its_position(patch: pytest.MonkeyPatch) -> None:
    """A snapshot is stored with the cursor of the last batch, not of the one it reflects."""
    take = Stage.take_snapshot

    def later(self: Stage, commit: int) -> Commit | None:
        taken = take(self, commit)
        last = self._batches.last
        if taken is None or taken.snapshot is None or last is None:
            return taken
        return replace(taken, snapshot=taken.snapshot._replace(cursor=last.cursor))

    patch.setattr(Stage, "take_snapshot", later)


def lost_duplicate_check(patch: pytest.MonkeyPatch) -> None:
    """What the log holds already is appended again."""
    patch.setattr(Ledger, "_is_new", lambda self, event: True)


def batches_not_given_again(patch: pytest.MonkeyPatch) -> None:
    """A host that takes groups over restores them, and gets no batch since the snapshot."""
    rebuild = Stage._rebuild

    def forgetful(self: Stage, host: int, groups: Groups) -> list[Command]:
        return rebuild(self, host, groups)[:1]

    patch.setattr(Stage, "_rebuild", forgetful)


def state_not_restored(patch: pytest.MonkeyPatch) -> None:
    """A host that takes groups over gets the batches, and no snapshot."""
    rebuild = Stage._rebuild

    def forgetful(self: Stage, host: int, groups: Groups) -> list[Command]:
        first, *rest = rebuild(self, host, groups)
        assert isinstance(first, Restore)
        return [Restore(first.host, first.stage, first.groups, stored=False), *rest]

    patch.setattr(Stage, "_rebuild", forgetful)


def dead_host_keeps_its_groups(patch: pytest.MonkeyPatch) -> None:
    """The death of a host is not noticed by the routing."""
    patch.setattr(Routing, "lose", lambda self, host: None)


def increment_of_the_last_batch_only(patch: pytest.MonkeyPatch) -> None:
    """A snapshot leaves out groups that the last batch did not touch."""
    barrier = Stage.barrier

    def narrow(self: Stage, slots: tuple[int, ...], *, final: bool = False) -> list[Command]:
        commands = barrier(self, slots, final=final)
        last = self._batches.last
        assert last is not None or not commands
        narrowed: list[Command] = []
        for command in commands:
            assert isinstance(command, TakeSnapshot)
            assert last is not None
            groups = tuple(group for group in command.groups if group in last.groups)
            at = (command.host, command.stage, command.ticket, command.barrier)
            narrowed.append(TakeSnapshot(*at, groups))
        return narrowed

    patch.setattr(Stage, "barrier", narrow)


def barrier_outlives_a_host(patch: pytest.MonkeyPatch) -> None:
    """A snapshot goes on waiting for a host that died."""
    patch.setattr(Stage, "_give_up_barrier", lambda self: None)


def takeover_while_a_snapshot_is_written(patch: pytest.MonkeyPatch) -> None:
    """Groups are restored while it is open which snapshot the store has."""
    reroute = Stage.reroute

    def hasty(self: Stage, slots: tuple[int, ...], serving: Mapping[int, int]) -> list[Command]:
        sealing, self._sealing = self._sealing, None
        commands = reroute(self, slots, serving)
        self._sealing = sealing
        return commands

    patch.setattr(Stage, "reroute", hasty)


def results_out_of_order(patch: pytest.MonkeyPatch) -> None:
    """Results of a group are released as they come."""

    def eager(self: Sequencer[Any], seq: int, group: int, result: Any) -> list[tuple[int, Any]]:
        return [(seq, result)]

    patch.setattr(Sequencer, "arrive", eager)


def results_passed_before_they_are_due(patch: pytest.MonkeyPatch) -> None:
    """What a host answers is released in one go, whatever is due before it."""

    def hasty(self: Sequencer[Any], seq: int, groups: Collection[int]) -> bool:
        for group in groups:
            self._expected[group].remove(seq)
        return True

    patch.setattr(Sequencer, "passed", hasty)


def undecided_parts_muted(patch: pytest.MonkeyPatch) -> None:
    """What a dead host had not answered is not asked for again."""
    again = Stage._send_again

    def muted(self: Stage, part: Any, batch: Any, *, careful: bool) -> Iterator[Send]:
        for send in again(self, part, batch, careful=careful):
            yield send._replace(mute=True)

    patch.setattr(Stage, "_send_again", muted)


def resumed_from_the_checkpoint(patch: pytest.MonkeyPatch) -> None:
    """A process goes on reading at the checkpoint, with the state of an older snapshot."""

    def cursor(self: Process, name: str) -> str | None:
        from runtime.engine.cursor import read_stage_cursor  # noqa: PLC0415

        checkpoint = self._store.checkpoints.get(f"simulated/{name}")
        return None if checkpoint is None else read_stage_cursor(checkpoint)[1]

    patch.setattr(Process, "_feed_cursor", cursor)


def no_deadline(patch: pytest.MonkeyPatch) -> None:
    """A host that never answers is waited for."""
    patch.setattr(Roster, "tick", lambda self, now: [])


def unbounded_retention(patch: pytest.MonkeyPatch) -> None:
    """Batches are held for recovery without a limit."""
    patch.setattr(Stage, "room", lambda self: self._credit.room())


def later_stage_told_too_early(patch: pytest.MonkeyPatch) -> None:
    """A later stage is told of decisions that are not durable yet."""
    answered = Supervisor._host_answered

    def hasty(self: Supervisor, message: Any) -> list[Command]:
        commands = answered(self, message)
        stage = self._stages[message.stage]
        for batch in stage._batches:
            if batch.missing:
                break
            stage.position = max(stage.position, batch.position)
        return commands + self._advance()

    patch.setattr(Supervisor, "_host_answered", hasty)


def restored_host_not_told_what_is_parked(patch: pytest.MonkeyPatch) -> None:
    """A host that takes groups over decides on what is in quarantine."""
    patch.setattr(Quarantine, "within", lambda self, groups: ())


def release_before_all_is_read_again(patch: pytest.MonkeyPatch) -> None:
    """After a restart, what is held is released though the feed will give it once more."""
    patch.setattr(Quarantine, "_next", lambda self: next(iter(self._asked), None))


def release_settled_before_its_snapshot(patch: pytest.MonkeyPatch) -> None:
    """The log says that an aggregate goes on, and no snapshot reflects it yet."""
    release = Stage.release

    def hasty(self: Stage, read: HeldRead, commit: int) -> list[Command]:
        first, *rest = release(self, read, commit)
        assert isinstance(first, Commit)
        notices = (*first.notices, *self.quarantine.settle(self._batches.coming, self._now))
        return [replace(first, notices=notices), *rest]

    patch.setattr(Stage, "release", hasty)


def guilty_without_a_trial(patch: pytest.MonkeyPatch) -> None:
    """The first event a dead host had not answered is parked, though its answer may be lost."""
    blame = Suspicion.blame

    def hasty(self: Suspicion, host: int, piece: Piece | None) -> Piece | None:
        blame(self, host, piece)
        return piece if piece is not None and piece.position is not None else None

    patch.setattr(Suspicion, "blame", hasty)


def intake_not_announced(patch: pytest.MonkeyPatch) -> None:
    """What a run took in before it died may be dropped by the run that goes on."""
    of = Record.of
    patch.setattr(Record, "of", lambda through, drops: of(0, drops))


def drops_recorded_too_late(patch: pytest.MonkeyPatch) -> None:
    """What was dropped is in the log only with what is decided behind it."""
    commit, kept = Supervisor._commit, list[Any]()

    def lazy(self: Supervisor, stage: Stage, events: Any = (), notices: Any = ()) -> list[Command]:
        if notices and not events and isinstance(notices[0], Taken):
            kept.append(notices)
            return commit(self, stage)
        late = [notice for those in kept for notice in those] if events else []
        if events:
            kept.clear()
        return [*commit(self, stage, events), *commit(self, stage, (), (*late, *notices))]

    patch.setattr(Supervisor, "_commit", lazy)


def switch_not_recorded(patch: pytest.MonkeyPatch) -> None:
    """The hosts of an edition take over, and the log does not say so."""
    record = Handover._record
    patch.setattr(Handover, "_record", lambda *given: replace(record(*given), notices=()))


def switch_recorded_elsewhere(patch: pytest.MonkeyPatch) -> None:
    """The log says that an edition decides from a later position on than it does."""
    record = Handover._record

    def later(self: Handover, stage: str, commit: int) -> Commit:
        recorded = record(self, stage, commit)
        (switched,) = recorded.notices
        assert isinstance(switched, Switched)
        moved = [one.model_copy(update={"since": one.since + 3}) for one in switched.upgrades]
        return replace(recorded, notices=(Switched(tuple(moved)),))

    patch.setattr(Handover, "_record", later)


def state_left_unread(patch: pytest.MonkeyPatch) -> None:
    """Hosts take over before they have read the state that is left to them."""
    patch.setattr(Handover, "has_read", True)


MUTATIONS: tuple[Plant, ...] = (
    barrier_outlives_a_host,
    batches_not_given_again,
    checkpoint_before_append,
    credit_returned_too_early,
    dead_host_keeps_its_groups,
    drops_recorded_too_late,
    guilty_without_a_trial,
    increment_of_the_last_batch_only,
    intake_not_announced,
    later_stage_told_too_early,
    lost_duplicate_check,
    missing_fence,
    no_deadline,
    release_before_all_is_read_again,
    release_settled_before_its_snapshot,
    restored_host_not_told_what_is_parked,
    results_out_of_order,
    results_passed_before_they_are_due,
    resumed_from_the_checkpoint,
    snapshot_without_its_position,
    state_left_unread,
    state_not_restored,
    switch_not_recorded,
    switch_recorded_elsewhere,
    takeover_while_a_snapshot_is_written,
    unbounded_retention,
    undecided_parts_muted,
)
