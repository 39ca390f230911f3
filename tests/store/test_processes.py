"""A store between processes: killed writers, subscriptions, readers left alone."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from random import Random

from runtime.events import RecordedEvent, named_id
from runtime.store import (
    CaughtUp,
    Expected,
    SqliteStore,
)
from tests.store import children
from tests.store.samples import event, write_some

ANY = Expected.ANY
ROUNDS = 20
WAIT_SECONDS = 20


class TestOtherProcesses:
    def test_a_writer_killed_at_any_moment_loses_nothing_it_answered(self, path: Path) -> None:
        seed = int(os.environ.get("LUCENT_SEED") or random_seed())
        sys.stdout.write(f"seed {seed} (set LUCENT_SEED to run it again)\n")
        random = Random(seed)
        answered: dict[str, int] = {}
        for life in range(ROUNDS):
            with children.start(children.WRITE, path, str(life), str(seed + life)) as child:
                assert child.stdout is not None
                for _ in range(random.randrange(1, 30)):
                    child.stdout.readline()
                time.sleep(random.random() * 0.003)
                child.kill()
                rest = child.stdout.read().splitlines(keepends=True)
            whole = [int(line) for line in rest if line.endswith("\n")]
            with SqliteStore.open(path) as store:
                told = int(store.checkpoint(str(life)) or -1)
                stored = batches(store, str(life))
            answered[str(life)] = max(whole, default=-1)
            assert answered[str(life)] <= told, f"seed {seed}, life {life}"
            assert sorted(stored) == list(range(told + 1)), f"seed {seed}, life {life}"
        with closing(sqlite3.connect(path)) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        with SqliteStore.open(path, writer=False) as store:
            for life, last in answered.items():
                assert max(batches(store, life), default=-1) >= last, f"seed {seed}"

    def test_a_subscription_sees_what_another_process_writes(self, path: Path) -> None:
        SqliteStore.open(path).close()
        with (
            SqliteStore.open(path, writer=False, poll=0.01) as store,
            children.start(children.APPEND, path) as child,
        ):
            assert child.stdin is not None
            subscription = store.subscribe()
            assert next(subscription) == CaughtUp(-1)
            for name in "abc":
                child.stdin.write(f"{name}\n")
                child.stdin.flush()
                found = next(subscription)
                assert isinstance(found, RecordedEvent)
                assert found.event_id == named_id(name)
                assert isinstance(next(subscription), CaughtUp)
            subscription.close()
            child.stdin.close()
            assert child.wait(WAIT_SECONDS) == 0

    def test_a_reader_left_alone_does_not_hold_up_the_log(self, path: Path) -> None:
        write_some(path, count=3000)
        log = path.with_name("events.db-wal")
        with SqliteStore.open(path) as store, SqliteStore.open(path, writer=False) as reader:
            left = reader.read_all()
            next(left)
            largest = 0
            for batch in range(12):
                store.append("s-1", ANY, [event(f"{batch}/{i}", 3000) for i in range(1500)])
                largest = max(largest, log.stat().st_size)
            assert largest < path.stat().st_size / 2
            assert sum(1 for _ in left) == 2999


def random_seed() -> int:
    return int.from_bytes(os.urandom(4), "big")


def batches(store: SqliteStore, life: str) -> dict[int, int]:
    """How many events of each batch of a life are stored; raises if one is not whole."""
    found: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for stream in store.streams():
        if stream.endswith(f"-{life}"):
            for number, item in enumerate(store.read_stream(stream)):
                assert item.revision == number
                found[stream, int(item.data)][item.metadata.split()[0].decode()] += 1
    counts: Counter[int] = Counter()
    for (_, batch), sizes in found.items():
        ((size, count),) = sizes.items()
        assert int(size) == count
        counts[batch] += 1
    assert set(counts.values()) <= {2}
    return dict(counts)
