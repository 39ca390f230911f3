"""A simulated host: carries commands out one by one, in order."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa

from runtime.engine.commands import (
    Command,
    Forget,
    ReadState,
    Restore,
    Send,
    StartHost,
    Switch,
    TakeSnapshot,
)
from runtime.engine.ipc import write_ipc
from runtime.engine.keygroups import key_group
from runtime.engine.messages import (
    HostAnswered,
    HostReady,
    HostRefused,
    Message,
    SnapshotTaken,
    StateRead,
)
from runtime.engine.results import GroupResult, Held, Parked, Results, Sealed, Who
from runtime.engine.simulation.store import SimulatedStore
from runtime.engine.simulation.strategy import Cell, Died, Editions, Poisoned, edition_at
from runtime.errors import StateInvalid

RETRIES = (0.5, 2)
"""After how long, and how often, what is poison at an odd position asks to be tried again."""


@dataclass(slots=True)
class SimulatedHost:
    """Decides, parks, restores, snapshots and forgets as `runtime.engine.host.Host` does.

    `code` is what it decides with; a `blind` one cannot read what any other code left.
    """

    number: int
    run: str
    store: SimulatedStore
    poison: frozenset[int]
    deadly: frozenset[int]
    editions: Editions
    edition: int = 0
    code: str = ""
    blind: bool = False
    inbox: deque[Command] = field(default_factory=deque)
    cells: dict[Who, Cell] = field(default_factory=dict)
    parked: dict[Who, int] = field(default_factory=dict)
    broken: set[tuple[str, int]] = field(default_factory=set)

    def step(self) -> Message | None:
        """Carry out the next command; returns what is to be told of it."""
        command = self.inbox.popleft()
        match command:
            case StartHost():
                return HostReady(self.number)
            case ReadState():
                return self._read_state(command)
            case Restore():
                self._restore(command)
            case Forget():
                self._forget(command.stage, command.groups)
            case Switch():
                self.editions = switched(self.editions, command.since)
            case TakeSnapshot():
                parts = self._snapshot(command)
                return SnapshotTaken(
                    command.stage, command.barrier, self.number, command.ticket, parts
                )
            case Send():
                results, raised = self._decide(command)
                place = (command.stage, command.seq, self.number, command.ticket)
                known = tuple(one._replace(events=()) for one in results if one.parked)
                told = known if command.mute else results
                return HostAnswered(*place, told, raised, command.piece)
        return None

    def _decide(self, command: Send) -> tuple[Results, tuple[int, ...]]:
        raised: list[int] = []
        found: dict[int, list[_Window]] = defaultdict(list)
        names = command.rows.column("aggregate").to_pylist()
        for at, aggregate in enumerate(names):
            who, group = Who(command.stage, aggregate), key_group(aggregate)
            if (command.stage, group) in self.broken:
                continue
            if not at or names[at - 1] != aggregate:
                found[group].append(_Window(who, command.rows.slice(at, names.count(aggregate))))
        results = []
        for group, windows in found.items():
            result = self._decide_group(group, windows, command, raised)
            if result is not None:
                results.append(result)
        return tuple(results), tuple(raised)

    def _decide_group(
        self, group: int, windows: list[_Window], command: Send, raised: list[int]
    ) -> GroupResult | None:
        events: list[Sealed] = []
        parked: list[Parked] = []
        held: list[Held] = []
        for window in windows:
            release = command.release
            if release is not None:
                self.parked.pop(window.who, None)
            try:
                self._decide_window(window, command, (events, parked, held))
                if release is not None and release.then is not None:
                    self.parked.setdefault(window.who, release.then)
            except Poisoned:
                raised.append(group)
                self.broken.add((command.stage, group))
                return None
        return GroupResult(group, tuple(events), tuple(parked), tuple(held))

    def _decide_window(
        self,
        window: _Window,
        command: Send,
        out: tuple[list[Sealed], list[Parked], list[Held]],
    ) -> None:
        who, (events, parked, held) = window.who, out
        watched = command.careful or who in self.parked or command.release is not None
        for at, position in enumerate(window.positions):
            if position >= self.parked.get(who, position + 1):
                held.append(window.held(at))
                return
            cell = self.cells.setdefault(who, Cell())
            before = replace(cell)
            if position in self.deadly and not self.store.cured:
                raise Died
            poison = position in self.poison and not self.store.cured
            try:
                edition = edition_at(self.editions, command.stage, position)
                one = cell.decide(command.stage, who.aggregate, position, edition, poison=poison)
            except Poisoned as error:
                if not watched:
                    raise
                self.cells[who] = before
                self.parked[who] = position
                row = write_ipc(window.rows.slice(at, 1)).to_pybytes()
                asked = RETRIES if position % 2 else (0.0, 0)
                parked.append(Parked(who, position, str(error), "", b"", row, *asked))
                held.append(window.held(at))
                return
            if one is not None:
                events.append(one)

    def _snapshot(self, command: TakeSnapshot) -> dict[int, bytes]:
        found: dict[int, list[tuple[str, int, str]]] = defaultdict(list)
        for (stage, aggregate), cell in self.cells.items():
            group = key_group(aggregate)
            if stage == command.stage and group in command.groups:
                found[group].append((aggregate, cell.revision, cell.digest.hex()))
        return {group: json.dumps([self.code, cells]).encode() for group, cells in found.items()}

    def _restore(self, command: Restore) -> None:
        self._forget(command.stage, command.groups)
        self.parked.update(command.parked)
        if not command.stored:
            return
        for aggregate, revision, digest in self._read(command):
            cell = Cell(revision, bytes.fromhex(digest))
            self.cells[Who(command.stage, aggregate)] = cell

    def _read_state(self, command: ReadState) -> Message:
        try:
            deque(self._read(command), 0)
        except StateInvalid as error:
            return HostRefused(self.number, error)
        return StateRead(self.number, command.ticket)

    def _read(self, command: ReadState | Restore) -> Iterator[tuple[str, int, str]]:
        parts = self.store.parts(f"{self.run}/{command.stage}", command.groups)
        for part in parts.values():
            code, cells = json.loads(part)
            if self.blind and code != self.code:
                raise StateInvalid(f"{self.code} of {command.stage} cannot read what {code} left")
            yield from cells

    def _forget(self, stage: str, groups: tuple[int, ...]) -> None:
        def kept(who: Who) -> bool:
            return who.agent != stage or key_group(who.aggregate) not in groups

        self.cells = {who: cell for who, cell in self.cells.items() if kept(who)}
        self.parked = {who: position for who, position in self.parked.items() if kept(who)}
        self.broken -= {(stage, group) for group in groups}


def switched(editions: Editions, since: Mapping[str, int]) -> Editions:
    """Editions with one more for each of these stages."""
    return {**editions, **{name: (*editions.get(name, ()), at) for name, at in since.items()}}


@dataclass(frozen=True, slots=True)
class _Window:
    """The rows of one aggregate in a part."""

    who: Who
    rows: pa.RecordBatch

    @property
    def positions(self) -> list[int]:
        """The positions of the rows."""
        positions: list[int] = self.rows.column("position").to_pylist()
        return positions

    def held(self, at: int) -> Held:
        """The rows from the `at`-th on, to be held."""
        rows = write_ipc(self.rows.slice(at)).to_pybytes()
        return Held(self.who, tuple(self.positions[at:]), rows)
