"""Aggregates of a stage that cannot go on, and how they go on again. Pure.

An aggregate is parked for one agent at one event: that event and all later ones of the
aggregate are held, in the log, until it is released. A release gives it what is held, as a
batch of its own; it takes place between two batches and is settled by the snapshot that
reflects it, so that the log never says more than the state can be brought to again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from runtime.engine.commands import ReadHeld
from runtime.engine.ipc import write_ipc
from runtime.engine.keygroups import key_group
from runtime.engine.messages import HeldRead
from runtime.engine.results import (
    Advanced,
    Freed,
    GroupResult,
    Notice,
    Parked,
    Release,
    Releasing,
    Who,
)
from runtime.errors import ReplayDiverged


class InQuarantine(NamedTuple):
    """An aggregate that an earlier process parked: where, up to where it held, what it began.

    It was tried again `tries` times; `again`: it is to be tried once more by itself.
    """

    who: Who
    position: int
    held_to: int
    releasing: bool = False
    drop: bool = False
    tries: int = 0
    again: bool = False


@dataclass(slots=True)
class Entry:
    """A parked aggregate: since which position, how often it was tried again, when it is next.

    `held_to` is the last position that an earlier process held of it.
    """

    position: int
    tries: int = 0
    due: float | None = None
    held_to: int = -1


@dataclass(slots=True)
class _Going:
    """A release under way: whether the first event is left out, and once it was sent, how.

    `given` are the positions that were sent; `again` says that one was raised on.
    """

    who: Who
    drop: bool
    seq: int = -1
    given: tuple[int, ...] = ()
    then: int | None = None
    again: Parked | None = None

    @property
    def gone(self) -> int:
        """How many events are no longer held, if it came further than its first event."""
        stop = len(self.given)
        if self.again is not None:
            stop = bisect_left(self.given, self.again.position)
        return stop + self.drop


class Quarantine:
    """What is parked in a stage, and the release under way.

    `stale` are key groups whose host does not know yet that an aggregate goes on.
    """

    def __init__(self, parked: Sequence[InQuarantine] = ()) -> None:
        self.entries = {one.who: _resumed(one) for one in parked}
        self.stale: set[int] = set()
        self._reached = -1
        self._asked: deque[tuple[Who, bool]] = deque()
        self._going: _Going | None = None
        self._asked.extend((one.who, one.drop) for one in parked if one.releasing)

    @property
    def holding(self) -> bool:
        """Whether the stage has to rest: for a release to take place, and until it is settled."""
        return self._going is not None or bool(self.stale) or self._next() is not None

    def reach(self, position: int) -> None:
        """All input before `position` has been taken in."""
        self._reached = position

    @property
    def waiting(self) -> bool:
        """Whether something is to be tried again later, by itself."""
        return any(entry.due is not None for entry in self.entries.values())

    def unsettled(self) -> bool:
        """Whether a release waits for the snapshot that reflects it."""
        return self._going is not None and self._going.seq >= 0

    def within(self, groups: Collection[int]) -> tuple[tuple[Who, int], ...]:
        """What is parked in these key groups, and at which position."""
        return tuple(
            (who, entry.position)
            for who, entry in self.entries.items()
            if key_group(who.aggregate) in groups
        )

    def accept(self, seq: int, result: GroupResult, now: float) -> tuple[Notice, ...]:
        """Take in what was not decided on in batch `seq`; returns what is to be recorded."""
        if self._going is not None and self._going.seq == seq:
            self._going.again = result.parked[0] if result.parked else None
            return ()
        for parked in result.parked:
            self.entries[parked.who] = _entry(parked, 0, now)
        return (*result.parked, *result.held)

    def check(self, again: Collection[Parked]) -> None:
        """What a host could not decide on of a batch that was decided on before is parked.

        Raises `ReplayDiverged` if not: it would hold events that nobody knows to be held.
        """
        for parked in again:
            if parked.who not in self.entries:
                raise ReplayDiverged(
                    f"agent {parked.who.agent!r} decided on {parked.who.aggregate!r} before, and"
                    f" raised on its event at position {parked.position} when it was given that"
                    f" again ({parked.error}): a strategy must do the same whenever it is asked"
                )

    def convict(
        self, whom: Collection[Who], position: int, row: pa.RecordBatch
    ) -> tuple[Notice, ...]:
        """Hosts died on the event at `position`: it is not tried again by itself.

        Agents whose aggregate is parked before it are not concerned: they were not given it.
        """
        others = [who for who in whom if who not in self.entries]
        self.entries.update((who, Entry(position)) for who in others)
        return tuple(_deadly(who, position, row) for who in others)

    def give_up(self, row: pa.RecordBatch) -> tuple[Parked, ...]:
        """Hosts died on an event that is being released: all stays as it was."""
        assert self._going is not None
        who = self._going.who
        return (_deadly(who, self.entries[who].position, row),)

    def ask(self, who: Who, *, drop: bool) -> None:
        """Ask for a release; of what is not parked, or being released, nothing comes."""
        going = self._going is not None and self._going.who == who
        asked = any(one == who for one, _ in self._asked)
        if who in self.entries and not (going or asked):
            self.entries[who].due = None
            self._asked.append((who, drop))

    def tick(self, now: float) -> None:
        """Ask for what is to be tried again by now."""
        for who, entry in self.entries.items():
            if entry.due is not None and entry.due <= now:
                entry.tries += 1
                self.ask(who, drop=False)

    def begin(self, stage: str, limit: int) -> ReadHeld | None:
        """The next release, of `limit` events, if there is none under way; the stage is at rest."""
        asked = self._next()
        if self._going is not None or asked is None:
            return None
        self._asked.remove(asked)
        who, drop = asked
        self._going = _Going(who, drop)
        return ReadHeld(stage, who, self.entries[who].position, limit + 2)

    def send(
        self, read: HeldRead, seq: int, limit: int
    ) -> tuple[pa.RecordBatch, Releasing, Release]:
        """The rows of a release, as batch `seq`, and what is to be recorded before.

        What is held beyond `limit` follows when this much is settled.
        """
        going = self._going
        assert going is not None
        assert going.who == read.who
        first = self.entries[going.who].position
        rows = _joined(read.batches)
        if going.drop:
            rows = rows.filter(pc.greater(rows.column("position"), first))
        positions = rows.column("position").to_pylist()
        going.seq, going.given = seq, tuple(positions[:limit])
        going.then = positions[limit] if len(positions) > limit else None
        last = max(going.given, default=first)
        begun = Releasing(going.who, first, last, going.drop)
        return rows.slice(0, limit), begun, Release(going.who, going.then)

    def settle(self, seq: int, now: float) -> tuple[Notice, ...]:
        """A snapshot reflects all batches up to `seq`: what the release came to is recorded."""
        going = self._going
        if going is None or going.seq < 0 or going.seq > seq:
            return ()
        self._going = None
        before = self.entries.pop(going.who)
        if not going.given:
            self.stale.add(key_group(going.who.aggregate))
        if going.again is not None:
            same = going.again.position == before.position
            tries, gone = (before.tries, 0) if same else (0, going.gone)
            self.entries[going.who] = _entry(going.again, tries, now)
            return (going.again._replace(tries=tries, gone=gone),)
        if going.then is None:
            return (Freed(going.who),)
        self.entries[going.who] = Entry(going.then)
        self._asked.appendleft((going.who, False))
        return (Advanced(going.who, going.then, going.gone),)

    def _next(self) -> tuple[Who, bool] | None:
        """The first release that was asked for and can take place.

        What an earlier process held has to be read again before: else it came twice.
        """
        for who, drop in tuple(self._asked):
            entry = self.entries.get(who)
            if entry is not None and self._reached > max(entry.position, entry.held_to):
                return who, drop
        return None


def _resumed(one: InQuarantine) -> Entry:
    """What was to be tried again by itself is tried as soon as it can be."""
    due = 0.0 if one.again and not one.releasing else None
    return Entry(one.position, one.tries, due, one.held_to)


def _entry(parked: Parked, tries: int, now: float) -> Entry:
    """When to try again: after the time the strategy asked for, doubled each time."""
    due = now + parked.after * 2**tries if tries < parked.attempts else None
    return Entry(parked.position, tries, due)


def _deadly(who: Who, position: int, row: pa.RecordBatch) -> Parked:
    error = "HostDied: the hosts that worked on this event died, one after the other"
    return Parked(who, position, error, "", b"", write_ipc(row).to_pybytes())


def _joined(batches: Collection[pa.RecordBatch]) -> pa.RecordBatch:
    """One batch; columns that some lack, as an upgrade reads more, are null there."""
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    table = pa.concat_tables(tables, promote_options="default")
    return table.unify_dictionaries().combine_chunks().to_batches()[0]
