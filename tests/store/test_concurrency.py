"""Many that write, read and follow a store at the same time."""

from __future__ import annotations

import sqlite3
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from runtime.errors import WrongExpectedVersion
from runtime.events import NewEvent, RecordedEvent, named_id
from runtime.store import Expected, Filter, SqliteStore, wal
from tests.store import children
from tests.store.samples import event

ANY = Expected.ANY
WAIT_SECONDS = 60
THREADS, EACH = 16, 10


class TestWriters:
    def test_of_one_stream_that_expect_its_revision(self, path: Path) -> None:
        def write(store: SqliteStore, thread: int) -> dict[int, bytes]:
            """Decide again as long as another one was first; what was answered."""
            written = {}
            for number in range(EACH):
                new, expected = event(f"{thread}/{number}"), store.revision("s-1")
                while (revision := _appended(store, new, expected)) is None:
                    expected = store.revision("s-1")
                written[revision] = new.event_id
            return written

        with SqliteStore.open(path) as store, ThreadPoolExecutor(THREADS) as threads:
            answers = threads.map(lambda thread: write(store, thread), range(THREADS))
            told = {revision: event_id for one in answers for revision, event_id in one.items()}
            stored = [(item.revision, item.event_id) for item in store.read_stream("s-1")]
        assert sorted(told.items()) == stored
        assert [revision for revision, _ in stored] == list(range(THREADS * EACH))


def _appended(store: SqliteStore, new: NewEvent, expected: int) -> int | None:
    try:
        return store.append("s-1", expected, [new]).revision
    except WrongExpectedVersion:
        return None


class TestFollowers:
    def test_see_each_event_once_in_order_here_and_in_other_processes(self, path: Path) -> None:
        """Eight threads write to five streams while six follow and two read."""
        SqliteStore.open(path).close()
        with ExitStack() as held:
            threads = held.enter_context(ThreadPoolExecutor(14))
            store = held.enter_context(SqliteStore.open(path, poll=0.01))
            others = [_started(held, children.FOLLOW, path, "Last") for _ in range(2)]
            followers = [threads.submit(_follow, store, Filter()) for _ in range(3)]
            one = threads.submit(
                _follow, store, Filter(stream_pattern="^s-1$", types=["T", "Last"])
            )
            writers = [threads.submit(_write, store, thread) for thread in range(8)]
            readers = [threads.submit(_read, store, writers) for _ in range(2)]
            for each in (*writers, *readers):
                each.result(WAIT_SECONDS)
            end = store.append("s-1", ANY, [NewEvent(named_id("last"), "Last", b"", b"")]).position
            log = [(item.position, item.event_id.hex()) for item in store.read_all()]
            assert len(log) == 8 * 50 + 1
            expected = [*log, (end, "caught up")]
            assert [each.result(WAIT_SECONDS) for each in followers] == [expected] * 3
            own = [(item.position, item.event_id.hex()) for item in store.read_stream("s-1")]
            assert one.result(WAIT_SECONDS) == [*own, (end, "caught up")]
            for other in others:
                told, _ = other.communicate(timeout=WAIT_SECONDS)
                assert told.splitlines() == [f"{position} {what}" for position, what in expected]


def _started(held: ExitStack, program: str, *arguments: str | Path) -> subprocess.Popen[str]:
    """A program that is killed at the end of the test, if it has not ended."""
    child = held.enter_context(children.start(program, *arguments))
    held.callback(child.kill)
    return child


def _write(store: SqliteStore, thread: int) -> None:
    for number in range(0, 50, 2):
        pair = [event(f"{thread}/{number}"), event(f"{thread}/{number + 1}")]
        store.append(f"s-{(thread + number) % 5}", ANY, pair)


def _follow(store: SqliteStore, only: Filter) -> list[tuple[int, str]]:
    """What a subscription tells until it is caught up behind the last event."""
    told: list[tuple[int, str]] = []
    ended = False
    for item in store.subscribe(only=only):
        if isinstance(item, RecordedEvent):
            told.append((item.position, item.event_id.hex()))
            ended = item.type == "Last"
        elif ended:
            return [*told, (item.position, "caught up")]
    raise AssertionError


def _read(store: SqliteStore, writers: list[Future[None]]) -> None:
    """Read the log again and again while it is written: each time it has grown by whole pairs."""
    before: list[bytes] = []
    while not all(each.done() for each in writers):
        now = [item.event_id for item in store.read_all()]
        assert now[: len(before)] == before
        assert len(now) % 2 == 0
        before = now


class TestLog:
    def test_it_stays_short_beside_readers_that_never_rest(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wal, "BOUND", 2 * 2**20)
        log = path.with_name("events.db-wal")
        with ExitStack() as held:
            store = held.enter_context(SqliteStore.open(path))
            store.append("s-1", ANY, [event(f"first/{number}") for number in range(3_000)])
            subscription = store.subscribe()
            for _ in range(2):
                reader = _started(held, children.READ, path)
                assert reader.stdout is not None
                assert reader.stdout.readline() == "open\n"
            largest = 0
            for batch in range(20):
                store.append(
                    "s-2", ANY, [event(f"{batch}/{number}", 8_000) for number in range(128)]
                )
                next(subscription)
                largest = max(largest, log.stat().st_size)
        assert largest < path.stat().st_size / 2

    def test_a_program_that_holds_an_old_state_stops_no_write(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wal, "BOUND", 2**20)
        monkeypatch.setattr(wal, "PATIENCE", 0.001)
        log = path.with_name("events.db-wal")

        def write(store: SqliteStore, name: str) -> None:
            store.append("s-1", ANY, [event(f"{name}/{number}", 8_000) for number in range(64)])

        with SqliteStore.open(path) as store:
            write(store, "first")
            with closing(sqlite3.connect(path)) as raw:
                raw.execute("BEGIN")
                assert raw.execute("SELECT count(*) FROM events").fetchone() == (64,)
                for batch in range(10):
                    write(store, str(batch))
                assert raw.execute("SELECT count(*) FROM events").fetchone() == (64,)
                assert log.stat().st_size > 4 * 2**20
            for batch in range(10, 14):
                write(store, str(batch))
            assert log.stat().st_size < 2 * 2**20
            assert store.revision("s-1") == 15 * 64 - 1
