"""The hosts of a run: which slot each fills, what it works on, when it is replaced. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import NamedTuple

from runtime.engine.commands import Command, StartHost, StopHost
from runtime.engine.statistics import HostStats
from runtime.engine.suspicion import Piece
from runtime.errors import ConfigError, HostDied, LucentError

START_ATTEMPTS = 8
"""So many hosts in a row may be lost before they were ready; then the run ends."""

PARTS_AHEAD = 2
"""So many parts a host may have ahead of it before a stage waits for answers: one that it is at,
and one so that it need not wait for the next."""

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
"""Seconds before a host is started again after one that never got ready; doubles each time."""


@dataclass(frozen=True, slots=True)
class Pooling:
    """How many hosts there are to be, and how patient one is with them.

    `spares` more wait, started, to take over from one that is lost. A host that works on
    one part for longer than `deadline` seconds is ended; one that is not there after `grace`
    seconds is left out until it comes. Raises `ConfigError` for what makes no sense.
    """

    hosts: int = 1
    spares: int = 0
    deadline: float = 120.0
    grace: float = 10.0

    def __post_init__(self) -> None:
        for name, value, least in (
            ("count", self.hosts, 1),
            ("spares", self.spares, 0),
            ("deadline", self.deadline, 0.001),
            ("grace", self.grace, 0.0),
        ):
            if value < least:
                raise ConfigError(f"hosts.{name} must be at least {least}, was {value}")


class Work(NamedTuple):
    """Part of batch `seq` of a stage, or a piece of it; a snapshot if there is no batch."""

    stage: str
    seq: int = -1
    piece: Piece | None = None


@dataclass(slots=True)
class HostRecord:
    """A host: its slot (-1 for a spare), whether it is ready and where, its work by ticket.

    `since` is when the first part of its work became the first.
    """

    host: int
    slot: int
    ready: bool = False
    place: str = ""
    work: dict[int, Work] = field(default_factory=dict)
    since: float = 0.0
    answered: int = 0


class Roster:
    """Keeps `pooling.hosts` slots filled, with hosts of one edition.

    `slots` are those in service: all that were asked for once they are there, and without
    one that has been missing for too long. Methods return the commands that follow.
    """

    def __init__(
        self, pooling: Pooling, numbers: Iterator[int] | None = None, edition: int = 0
    ) -> None:
        self.pooling = pooling
        self._numbers = count() if numbers is None else numbers
        self._edition = edition
        self._beside = False
        self.wanted = pooling.hosts
        self.slots: tuple[int, ...] = ()
        self.now = 0.0
        self.spares_wanted = 0
        self.records: dict[int, HostRecord] = {}
        self._under_way: Counter[str] = Counter()
        self._missing: dict[int, float] = {}
        self._failures = 0

    @property
    def serving(self) -> Mapping[int, int]:
        """The host of each slot that has one that is ready. From any thread."""
        records = list(self.records.values())
        return {r.slot: r.host for r in records if r.ready and r.slot >= 0}

    def fill(self) -> list[Command]:
        """Start the hosts that are wanted and not there.

        Beside hosts that work, one at a time on each node that they are on, and no more than
        half as many as they are: to start takes a processor for a second or two, which those
        that work lack meanwhile. One that waits for longer than `grace`, perhaps for a node, is
        not waited for; and one that replaces another does not wait.
        """
        filled = {record.slot for record in self.records.values()}
        commands: list[Command] = []
        for slot in (slot for slot in range(self.wanted) if slot not in filled):
            at_once = slot in self.slots or not (self.slots or self._beside)
            if at_once or self._starting < self._starts_beside:
                commands.append(self._start(slot))
        spares = sum(record.slot < 0 for record in self.records.values())
        return commands + [self._start(-1) for _ in range(self.spares_wanted - spares)]

    def successor(self, edition: int) -> Roster:
        """A roster of as many hosts of another edition, which start while these work."""
        pooling = replace(self.pooling, hosts=self.wanted)
        roster = Roster(pooling, self._numbers, edition)
        roster.now, roster._beside = self.now, True
        return roster

    def follow(self, working: Roster) -> list[Command]:
        """From now on these hosts work, and no longer those of `working`."""
        self._beside = False
        self.spares_wanted = working.spares_wanted
        return self.fill()

    def keep_spares(self) -> list[Command]:
        """From now on keep spares too."""
        if self.spares_wanted == self.pooling.spares:
            return []
        self.spares_wanted = self.pooling.spares
        return self.fill()

    def scale(self, hosts: int) -> list[Command]:
        """From now on there are to be `hosts` hosts."""
        self.wanted = hosts
        self._missing = {slot: at for slot, at in self._missing.items() if slot < hosts}
        commands: list[Command] = []
        for record in list(self.records.values()):
            if record.slot >= hosts and not record.ready:
                del self.records[record.host]
                commands.append(StopHost(record.host, gently=False))
        self._review()
        return commands + self.fill()

    def ready(self, host: int, place: str) -> list[Command]:
        """A host has been started, at `place`.

        Beside those of another edition others may follow. Else they wait until key groups
        have been handed over to it (`fill`): that is when those that work lack time most.
        """
        record = self.records.get(host)
        if record is not None:
            record.ready, record.place = True, place
            self._failures = 0
            self._missing.pop(record.slot, None)
        self._review()
        return self.fill() if self._beside else []

    def drop(self, host: int, refused: LucentError | None = None) -> list[Command]:
        """A host is lost: a spare takes its slot, or another is started.

        Raises what one was `refused` for, unless others serve and it was tried a few times only.
        """
        record = self.records.pop(host, None)
        if record is None:
            return []
        self._under_way.subtract(work.stage for work in record.work.values())
        if not record.ready:
            self._count_failure(refused)
        if 0 <= record.slot < self.wanted:
            self._missing.setdefault(record.slot, self.now)
            spare = next((r for r in self.records.values() if r.slot < 0 and r.ready), None)
            if spare is not None:
                spare.slot = record.slot
                self._missing.pop(record.slot, None)
        self._review()
        return self.fill()

    def tick(self, now: float) -> list[int]:
        """Time has passed; returns the hosts that have worked on one part for too long."""
        self.now = max(self.now, now)
        self._review()
        limit = self.now - self.pooling.deadline
        return [r.host for r in self.records.values() if r.work and r.since <= limit]

    def gave(self, host: int, ticket: int, work: Work) -> None:
        """A host was given work that it will answer."""
        record = self.records[host]
        if not record.work:
            record.since = self.now
        record.work[ticket] = work
        self._under_way[work.stage] += 1

    def busy(self, stage: str, ahead: int = PARTS_AHEAD) -> bool:
        """Whether hosts have `ahead` parts of a stage each: meanwhile the next batch gathers."""
        return self._under_way[stage] >= ahead * max(1, len(self.slots))

    def working_on(self, host: int) -> Work | None:
        """What a host is at: the first of what it has not answered."""
        record = self.records.get(host)
        return None if record is None else next(iter(record.work.values()), None)

    def answered(self, host: int, ticket: int) -> bool:
        """A host has answered; False if it is none of this run's."""
        record = self.records.get(host)
        if record is None:
            return False
        work = record.work.pop(ticket, None)
        if work is not None:
            self._under_way[work.stage] -= 1
            record.since = self.now
            record.answered += 1
        return True

    def leaving(self) -> list[int]:
        """Hosts whose slot is no longer wanted and that have answered all they were given."""
        if len(self.records) <= self.wanted:
            return []
        return [
            r.host
            for r in self.records.values()
            if r.slot >= self.wanted and r.slot not in self.slots and not r.work
        ]

    def retire(self, host: int) -> Command:
        """End a host that is no longer needed."""
        del self.records[host]
        return StopHost(host)

    def stats(self, groups: Callable[[int], int]) -> list[HostStats]:
        """How each host stands; `groups` says how many key groups one holds. From any thread."""
        return [
            HostStats(
                one.host,
                one.slot,
                one.place,
                self._state(one),
                groups(one.host),
                len(one.work),
                one.answered,
            )
            for one in list(self.records.values())
        ]

    def _state(self, record: HostRecord) -> str:
        if not record.ready:
            return "starting"
        if self._beside:
            return "next"
        if record.slot < 0:
            return "spare"
        return "ready" if record.slot < self.wanted else "leaving"

    @property
    def _starting(self) -> int:
        """How many hosts beside those in service are being started, and are not late."""
        late = {slot for slot, since in self._missing.items() if self._is_late(since)}
        those = (r.slot for r in self.records.values() if not r.ready and r.slot >= 0)
        return sum(slot not in self.slots and slot not in late for slot in those)

    @property
    def _starts_beside(self) -> int:
        nodes = {r.place.rpartition(":")[0] for r in self.records.values() if r.ready}
        return max(1, min(len(nodes), len(self.serving) // 2))

    def _start(self, slot: int) -> Command:
        host = next(self._numbers)
        self.records[host] = HostRecord(host, slot)
        if slot >= 0:
            self._missing.setdefault(slot, self.now)
        delay = FIRST_DELAY * 2 ** (self._failures - 1) if self._failures else 0.0
        return StartHost(host, min(delay, LONGEST_DELAY), self._edition)

    def _count_failure(self, refused: LucentError | None) -> None:
        self._failures += 1
        if refused is not None and (not self.serving or self._failures >= START_ATTEMPTS):
            raise refused
        if self._failures >= START_ATTEMPTS:
            raise HostDied(
                f"{self._failures} hosts in a row died while they were started: see their"
                " output in Ray's logs; run the same command to resume"
            )

    def _review(self) -> None:
        """Say anew which slots are in service."""
        serving = self.serving
        there = [slot for slot in range(self.wanted) if slot in serving]
        if not self.slots:
            since = min(self._missing.values(), default=self.now)
            if there and (len(there) == self.wanted or self._is_late(since)):
                self.slots = tuple(there)
            return
        late = {slot for slot, since in self._missing.items() if self._is_late(since)}
        kept = [s for s in self.slots if s < self.wanted and (s in serving or s not in late)]
        slots = tuple(sorted({*kept, *there}))
        if any(slot in serving for slot in slots):
            self.slots = slots

    def _is_late(self, since: float) -> bool:
        return self.now - since >= self.pooling.grace
