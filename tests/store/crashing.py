"""A writer that is killed: what it writes, as a function of a seed, and the process that does.

Each life of the writer has threads, each of which takes one step after the other and notes it
in a file once the store has answered. Run as a program, it forks a life for each line it reads.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random
from typing import NamedTuple, NoReturn

import msgspec

from runtime.errors import WrongExpectedVersion
from runtime.events import NewEvent, named_id
from runtime.store import (
    Append,
    Appended,
    Checkpoint,
    Expected,
    Fence,
    Snapshot,
    SqliteStore,
    Write,
    wal,
)

THREADS = 4
KINDS = ("append", "append", "write", "write", "describe", "delete", "mortal", "claim")
ANY = Expected.ANY


class Life(NamedTuple):
    """One life of the writer of a store, by the seed of all."""

    seed: int
    number: int


class Step(NamedTuple):
    """What one thread of a life does as its `number`th step."""

    life: Life
    thread: int
    number: int

    @property
    def kind(self) -> str:
        """What it does; each thread begins with a claim."""
        return self.random.choice(KINDS) if self.number else "claim"

    @property
    def random(self) -> Random:
        return Random(f"{self.life.seed}/{self.label}")

    @property
    def label(self) -> str:
        """Tells it from all others of the store."""
        return f"{self.life.number}/{self.thread}/{self.number}"

    @property
    def mortal(self) -> str:
        """The stream that the thread deletes, and appends to again."""
        return f"mortal-{self.thread}"

    @property
    def role(self) -> str:
        """What the thread claims."""
        return f"role-{self.thread}"

    @property
    def owner(self) -> str:
        """The name of the thread's checkpoint and of its snapshot."""
        return f"{self.life.number}/{self.thread}"

    def batches(self) -> dict[str, list[NewEvent]]:
        """The events it appends, by stream."""
        random, kind = self.random, self.kind
        if kind in ("delete", "claim"):
            return {}
        if kind == "describe":
            data = msgspec.json.encode({"$maxCount": 10**6, "step": self.label})
            event = NewEvent(named_id(self.label), "$metadata", data, b"")
            return {f"$$shared-{random.randrange(3)}": [event]}
        names = {
            "append": [f"own-{self.thread}"],
            "mortal": [self.mortal],
            "write": random.sample([f"shared-{number}" for number in range(3)], 2),
        }[kind]
        return {name: list(self._events(name, random)) for name in names}

    def _events(self, stream: str, random: Random) -> Iterator[NewEvent]:
        size = random.randrange(1, 6)
        for ordinal in range(size):
            data = f"{self.label} {stream} {size} ".encode()
            data += random.randbytes(random.choice((0, 50, 3_000, 20_000)))
            yield NewEvent(named_id(f"{self.label}/{stream}/{ordinal}"), "T", data, b"{}")

    def write(self) -> Write:
        """All that a step of the kind "write" brings to an end together."""
        cursor = str(self.number)
        return Write(
            [Append(name, ANY, events) for name, events in self.batches().items()],
            [Checkpoint(self.owner, cursor)],
            [Snapshot(self.owner, cursor, {self.thread: self.random.randbytes(500)})],
        )


class Note(msgspec.Struct):
    """What the store answered to a step: where its appends ended, or the epoch of its claim."""

    thread: int
    number: int
    ends: tuple[tuple[int, int], ...] = ()
    epoch: int = 0


def read_notes(file: Path) -> list[Note]:
    """What was noted; a line that was cut off by the kill is none."""
    lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
    return [msgspec.json.decode(line, type=Note) for line in lines]


def live(life: Life, path: Path, notes: Path) -> None:
    """Write to the store at `path` until killed, or until a thread fails; two minutes at most.

    Of four lives one spills its transactions and writes its log back all the time, and one
    empties its log as often.
    """
    signal.alarm(120)
    if life.number % 4 == 2:
        wal.BOUND = 2**16
    file = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    store = SqliteStore.open(path)
    if life.number % 4 == 3:
        assert store._writer is not None
        for pragma in ("wal_autocheckpoint = 8", "cache_size = 8"):
            store._writer._connection.execute(f"PRAGMA {pragma}")
    threads = ThreadPoolExecutor(THREADS)
    work = [threads.submit(_work, store, life, thread, file) for thread in range(THREADS)]
    ended, _ = wait(work, return_when=FIRST_COMPLETED)
    ended.pop().result()


def _work(store: SqliteStore, life: Life, thread: int, file: int) -> NoReturn:
    fence = Fence("", 0)
    for number in count():
        step = Step(life, thread, number)
        with suppress(WrongExpectedVersion):
            ends, fence = take(store, step, fence)
            places = tuple((end.revision, end.position) for end in ends)
            note = Note(thread, number, places, fence.epoch if step.kind == "claim" else 0)
            os.write(file, msgspec.json.encode(note) + b"\n")
    raise AssertionError


def take(store: SqliteStore, step: Step, fence: Fence) -> tuple[list[Appended], Fence]:
    """Carry a step out; answers where its appends ended, and the fence to go on under."""
    kind = step.kind
    if kind == "claim":
        return [], store.claim(step.role)
    if kind == "write":
        return store.write(replace(step.write(), fence=fence)), fence
    if kind == "delete":
        return [store.delete(step.mortal)], fence
    ((name, events),) = step.batches().items()
    expected: int | Expected = store.revision(name) if kind == "append" else ANY
    return [store.append(name, expected, events)], fence


def main() -> None:
    """Fork a life for each line (seed, number, store, notes); tell its pid, then how it ended."""
    for line in sys.stdin:
        seed, number, path, notes = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            try:
                live(Life(int(seed), int(number)), Path(path), Path(notes))
            finally:
                traceback.print_exc()
                os._exit(1)
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
