"""Writers that are killed at any moment, while another process reads.

25 kills are made, or as many as `LUCENT_KILLS` says: the long form has 1,000 and takes some
minutes. `LUCENT_SEED` repeats what was written.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from random import Random
from signal import SIGKILL

import pytest

from runtime.events import RecordedEvent
from runtime.store import SqliteStore
from tests.store.audit import Audit, assert_whole
from tests.store.children import ROOT
from tests.store.crashing import Life, read_notes
from tests.support.seeds import seed

KILLS = int(os.environ.get("LUCENT_KILLS") or 25)
LIVES = 25
"""Lives of the writer of one store."""

WAIT_SECONDS = 60


@pytest.mark.parametrize("store", range(-(-KILLS // LIVES)))
def test_nothing_answered_is_lost_and_nothing_is_there_in_part(path: Path, store: int) -> None:
    first = seed() + store
    SqliteStore.open(path).close()
    random, audit = Random(first), Audit()
    with _writers() as writers:
        for number in range(min(LIVES, KILLS - LIVES * store)):
            life = Life(first, number)
            seen = _killed(writers, life, path, audit.position + 1, random)
            with SqliteStore.open(path) as opened:
                events = audit.check(opened, life, read_notes(_notes(path, life)))
            assert seen == events[: len(seen)]
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


@contextmanager
def _writers() -> Iterator[subprocess.Popen[str]]:
    """The program that forks a life of the writer for each line."""
    pipe = subprocess.PIPE
    program = [sys.executable, "-m", "tests.store.crashing"]
    with subprocess.Popen(program, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as started:
        yield started
        assert started.stdin is not None
        started.stdin.close()
        assert started.wait(WAIT_SECONDS) == 0


def _notes(path: Path, life: Life) -> Path:
    return path.with_name(f"{life.number}.notes")


def _killed(
    writers: subprocess.Popen[str], life: Life, path: Path, start: int, random: Random
) -> list[RecordedEvent]:
    """Let a writer live until it has noted so much, then kill it; what was read from `start` on.

    Every other one is read beside. The rest have the store to themselves, so that the next
    one finds a log that nobody has open.
    """
    assert writers.stdin is not None
    assert writers.stdout is not None
    notes = _notes(path, life)
    print(*life, path, notes, sep="\t", file=writers.stdin, flush=True)
    pid = int(writers.stdout.readline())
    least, more = random.choice((0, 1, 1_000, 5_000)), random.random() * 0.02
    deadline = time.monotonic() + WAIT_SECONDS
    seen: list[RecordedEvent] = []
    with SqliteStore.open(path, writer=False) as reader, ExitStack() as held:
        held.callback(os.kill, pid, SIGKILL)
        if life.number % 2:
            reader.close()
        while not notes.exists() or notes.stat().st_size < least:
            assert time.monotonic() < deadline, life
            os.kill(pid, 0)
            if not life.number % 2:
                seen += _read_whole(reader, seen[-1].position + 1 if seen else start)
            time.sleep(0.001)
        time.sleep(more)
    assert int(writers.stdout.readline()) == SIGKILL, life
    return seen


def _read_whole(reader: SqliteStore, start: int) -> list[RecordedEvent]:
    """The log from a position on, as it is at some moment: no batch is there in part."""
    events = list(reader.read_all(start))
    assert_whole(events)
    return events
