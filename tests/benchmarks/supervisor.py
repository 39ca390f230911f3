"""What the supervisor itself costs: CPU nanoseconds an event, hosts and log answering at once.

Batches are of 4,096 events, for two hosts 2,048 each; and for 64 hosts of as many each too.
"""

from __future__ import annotations

import time
from collections import deque

import numpy as np
import pyarrow as pa

from runtime.engine.commands import Command, Commit, Pull, Restore, Send, StartHost, TakeSnapshot
from runtime.engine.credit import CreditLimits
from runtime.engine.keygroups import key_group
from runtime.engine.messages import (
    BatchArrived,
    Committed,
    HostAnswered,
    HostReady,
    Message,
    SnapshotTaken,
)
from runtime.engine.results import GroupResult
from runtime.engine.roster import Pooling
from runtime.engine.spec import StageSpec
from runtime.engine.supervisor import Supervisor

BATCH = 4_096
BATCHES = 200
WARM = 10
CASES = (
    (1_000, 2, BATCH),
    (1_000_000, 2, BATCH),
    (1_000, 64, BATCH),
    (1_000, 64, 32 * BATCH),
    (1_000_000, 64, 32 * BATCH),
)
"""Aggregates, hosts and the events of a batch."""
WIDTH = 8


class Rig:
    """A supervisor, and everything around it that costs nothing."""

    def __init__(self, aggregates: int, hosts: int, size: int) -> None:
        self.size = size
        limits = CreditLimits(events=size * 16, bytes=size << 20, batch=size)
        self.supervisor = Supervisor([StageSpec("one")], Pooling(hosts), limits)
        self.names = pa.array([f"pool-{number}" for number in range(aggregates)])
        self.groups = np.array([key_group(f"pool-{n}") for n in range(aggregates)])
        self.rng = np.random.default_rng(7)
        self.spent = 0.0
        self.read = 0
        self.results = {g: GroupResult(g, ()) for g in range(256)}
        self.commits: list[Commit] = []

    def batch(self) -> BatchArrived:
        """A batch of random aggregates."""
        size = self.size
        codes = self.rng.integers(0, len(self.names), size).astype(np.int32)
        columns: list[pa.Array] = [pa.DictionaryArray.from_arrays(pa.array(codes), self.names)]
        columns += [pa.array(np.arange(self.read, self.read + size))]
        columns += [pa.array(self.rng.random(size)) for _ in range(WIDTH - 2)]
        self.read += size
        names = ["aggregate", "position", *(f"x{number}" for number in range(WIDTH - 2))]
        rows = pa.RecordBatch.from_arrays(columns, names)
        return BatchArrived("one", rows, self.read, str(self.read))

    def run(self) -> float:
        """Nanoseconds of CPU an event, once warm."""
        commands = deque(self.supervisor.start(-1))
        batches, count = 0, max(WARM + 30, BATCHES * BATCH // self.size)
        while batches < count:
            message = self.carry_out(commands.popleft()) if commands else None
            if message is None and not commands and self.commits:
                last = self.commits[-1].number
                self.commits = []
                message = Committed(last, last)
            if message is None:
                continue
            batches += isinstance(message, BatchArrived)
            began = time.process_time()
            commands.extend(self.supervisor.handle(message))
            self.spent += time.process_time() - began if batches > WARM else 0.0
        return self.spent / ((count - WARM) * self.size) * 1e9

    def carry_out(self, command: Command) -> Message | None:
        """Answer a command at once."""
        match command:
            case StartHost():
                return HostReady(command.host)
            case Pull():
                return self.batch()
            case Send():
                codes = command.rows.column(0).indices.to_numpy()
                touched = np.unique(self.groups[codes]).tolist()
                results = tuple(self.results[group] for group in touched)
                place = ("one", command.seq, command.host, command.ticket)
                return HostAnswered(*place, results)
            case TakeSnapshot():
                place = ("one", command.barrier, command.host, command.ticket)
                return SnapshotTaken(*place, {})
            case Commit():
                self.commits.append(command)
            case Restore():
                return None
        return None


def main() -> None:
    """Print the cost by number of aggregates and hosts."""
    for aggregates, hosts, size in CASES:
        cost = min(Rig(aggregates, hosts, size).run() for _ in range(5))
        print(
            f"supervisor: {aggregates:>9,} aggregates, {hosts:>2} hosts, batches of {size:>7,}:"
            f" {cost:.0f} ns an event"
        )


if __name__ == "__main__":
    main()
