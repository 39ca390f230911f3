"""A simulated host: carries commands out one by one, in order."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from dataclasses import dataclass, field

from runtime.engine.keygroups import key_group
from runtime.engine.messages import (
    Command,
    Forget,
    HostAnswered,
    HostReady,
    Message,
    Restore,
    Sealed,
    Send,
    SnapshotTaken,
    StartHost,
    TakeSnapshot,
)
from runtime.engine.simulation.store import SimulatedStore
from runtime.engine.simulation.strategy import Cell


@dataclass(slots=True)
class SimulatedHost:
    """Decides, restores, snapshots and forgets as `runtime.engine.host.Host` does."""

    number: int
    run: str
    store: SimulatedStore
    inbox: deque[Command] = field(default_factory=deque)
    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)

    def step(self) -> Message | None:
        """Carry out the next command; returns what is to be told of it."""
        command = self.inbox.popleft()
        match command:
            case StartHost():
                return HostReady(self.number)
            case Restore():
                self._restore(command)
            case Forget():
                self._forget(command.stage, command.groups)
            case TakeSnapshot():
                parts = self._snapshot(command)
                return SnapshotTaken(
                    command.stage, command.barrier, self.number, command.ticket, parts
                )
            case Send():
                results = self._decide(command)
                return HostAnswered(
                    command.stage, command.seq, self.number, command.ticket, results
                )
        return None

    def _decide(self, command: Send) -> tuple[tuple[int, tuple[Sealed, ...]], ...]:
        by_group: dict[int, list[Sealed]] = defaultdict(list)
        columns = [command.rows.column(name).to_pylist() for name in ("aggregate", "position")]
        for aggregate, position in zip(*columns, strict=True):
            decided = by_group[key_group(aggregate)]
            cell = self.cells.setdefault((command.stage, aggregate), Cell())
            one = cell.decide(command.stage, aggregate, position)
            if one is not None:
                decided.append(one)
        if command.mute:
            return ()
        return tuple((group, tuple(made)) for group, made in by_group.items())

    def _snapshot(self, command: TakeSnapshot) -> dict[int, bytes]:
        found: dict[int, list[tuple[str, int, str]]] = defaultdict(list)
        for (stage, aggregate), cell in self.cells.items():
            group = key_group(aggregate)
            if stage == command.stage and group in command.groups:
                found[group].append((aggregate, cell.revision, cell.digest.hex()))
        return {group: json.dumps(cells).encode() for group, cells in found.items()}

    def _restore(self, command: Restore) -> None:
        self._forget(command.stage, command.groups)
        if not command.stored:
            return
        parts = self.store.parts(f"{self.run}/{command.stage}", command.groups)
        for part in parts.values():
            for aggregate, revision, digest in json.loads(part):
                self.cells[command.stage, aggregate] = Cell(revision, bytes.fromhex(digest))

    def _forget(self, stage: str, groups: tuple[int, ...]) -> None:
        gone = [key for key in self.cells if key[0] == stage and key_group(key[1]) in set(groups)]
        for key in gone:
            del self.cells[key]
