"""`make bench`: the store and its wire, as ratios to the least that could do the same.

Appends and reads of the embedded store against bare `sqlite3` statements on the same tables
with the same durability; calls over the wire against the same calls of the same client to a
server that gives canned answers. Medians of rounds, in turn.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from itertools import count, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from esdbclient import CaughtUp, EventStoreDBClient, StreamState
from esdbclient import NewEvent as ClientEvent

from runtime.events import NewEvent, RecordedEvent, named_id
from runtime.store import Expected, SqliteStore

ROUNDS = 5
SIZES = {1: 300, 16: 100, 256: 40, 4096: 6}
READ = 100_000
DATA = b'{"action":"hold","aggregate":"ethereum:0x1abaea","confidence":"0.5","yield":"0.031"}' * 4
METADATA = b'{"$causationId":"00000000-0000-0000-0000-000000000001","signature":"%s"}' % (b"x" * 86)
CHECKOUT = Path(__file__).parents[2]

Case = Callable[[], float]
"""Does its work once; answers events a second."""


def compare(name: str, ours: Case, least: Case, wanted: float) -> None:
    """Run both in turn and print the medians."""
    pairs = [(ours(), least()) for _ in range(ROUNDS)]
    mine, other = (median(rates) for rates in zip(*pairs, strict=True))
    ratio = median(a / b for a, b in pairs)
    print(f"{name:<44}{mine:>12,.0f}{other:>12,.0f}{ratio:>8.2f}{wanted:>8.1f}", flush=True)


# ------------------------------------------------------------------ the embedded store
numbers = count()


def fresh(size: int) -> list[NewEvent]:
    """Events with ids of their own."""
    return [
        NewEvent(named_id(f"bench/{n}"), "AgentDecisionMade", DATA, METADATA)
        for n in islice(numbers, size)
    ]


def appends(folder: Path, size: int) -> tuple[Case, Case]:
    """Commits of `size` events to one stream, one after the other."""
    commits = SIZES[size]

    def ours() -> float:
        with SqliteStore.open(folder / f"ours-{next(numbers)}.db") as store:
            batches = [fresh(size) for _ in range(commits)]
            begin = time.perf_counter()
            for batch in batches:
                store.append("agent-scout/pool", Expected.ANY, batch)
            return commits * size / (time.perf_counter() - begin)

    def least() -> float:
        path = folder / f"bare-{next(numbers)}.db"
        SqliteStore.open(path).close()
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA wal_autocheckpoint = 4096")
            connection.execute("INSERT INTO streams (name) VALUES ('agent-scout/pool')")
            places = count(1)
            batches = [
                [
                    (n, 1, n - 1, e.event_id, e.type, e.data, e.metadata, 0, True)
                    for n, e in zip(places, fresh(size), strict=False)
                ]
                for _ in range(commits)
            ]
            begin = time.perf_counter()
            for rows in batches:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(
                    "INSERT INTO events (position, stream, revision, event_id, type, data,"
                    " metadata, recorded_at, json) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    rows,
                )
                connection.execute("COMMIT")
            return commits * size / (time.perf_counter() - begin)

    return ours, least


_BARE = """
SELECT e.position, s.name, e.revision, e.event_id, e.type, e.data, e.metadata, e.recorded_at,
    e.json FROM events e CROSS JOIN streams s ON s.id = e.stream
WHERE {} ORDER BY {}
"""


def reads(store: SqliteStore, path: Path, *, whole: bool) -> tuple[Case, Case]:
    """All events of a stream, or of the log."""
    sql = _BARE.format(*(("1", "e.position") if whole else ("e.stream = 1", "e.revision")))

    def ours() -> float:
        begin = time.perf_counter()
        found = store.read_all() if whole else store.read_stream("agent-0")
        return sum(1 for _ in found) / (time.perf_counter() - begin)

    def least() -> float:
        with closing(sqlite3.connect(path)) as connection:
            begin = time.perf_counter()
            rows = connection.execute(sql)
            events = (RecordedEvent(*row[:8], row[8] == 1) for row in rows)
            return sum(1 for _ in events) / (time.perf_counter() - begin)

    return ours, least


def embedded(folder: Path) -> None:
    """The embedded store against bare statements."""
    for size in SIZES:
        compare(f"append, {size:,} a commit", *appends(folder, size), 0.8)
    path = folder / "read.db"
    with SqliteStore.open(path) as store:
        for number in range(READ // 1000):
            store.append(f"agent-{number % 2}", Expected.ANY, fresh(1000))
        compare("read a stream", *reads(store, path, whole=False), 0.6)
        compare("read the log", *reads(store, path, whole=True), 0.6)


# ----------------------------------------------------------------------------- the wire
@contextmanager
def process(*arguments: str) -> Iterator[str]:
    """A server in a process of its own, which prints where it is reached."""
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            line = server.stdout.readline()
            port = line.partition("://")[2].partition(":")[2].partition("?")[0]
            yield f"esdb://localhost:{int(port)}?Tls=false"
        finally:
            server.terminate()


def single(uri: str, connections: int, each: int) -> float:
    """Appends of one event, of so many clients at a time."""
    with ExitStack() as held:
        clients = [held.enter_context(EventStoreDBClient(uri)) for _ in range(connections)]
        for client in clients:
            client.append_event("warm", current_version=StreamState.ANY, event=_event())

        def work(client: EventStoreDBClient) -> None:
            stream = f"agent-{next(numbers)}"
            for _ in range(each):
                client.append_event(stream, current_version=StreamState.ANY, event=_event())

        with ThreadPoolExecutor(connections) as threads:
            begin = time.perf_counter()
            list(threads.map(work, clients))
            return connections * each / (time.perf_counter() - begin)


def batched(uri: str, size: int, times: int) -> float:
    """Appends of `size` events."""
    with EventStoreDBClient(uri) as client:
        batches = [[_event() for _ in range(size)] for _ in range(times)]
        stream = f"agent-{next(numbers)}"
        begin = time.perf_counter()
        for batch in batches:
            client.append_events(stream, current_version=StreamState.ANY, events=batch)
        return size * times / (time.perf_counter() - begin)


def read_stream(uri: str) -> float:
    """All events of a stream."""
    with EventStoreDBClient(uri) as client:
        begin = time.perf_counter()
        found = sum(1 for _ in client.read_stream("bench-0", limit=20_000))
        return found / (time.perf_counter() - begin)


def catch_up(uri: str) -> float:
    """A subscription to the log, until it has caught up."""
    with EventStoreDBClient(uri) as client:
        begin = time.perf_counter()
        found = 0
        with client.subscribe_to_all(include_caught_up=True) as events:
            for event in events:
                if isinstance(event, CaughtUp):
                    break
                found += 1
        return found / (time.perf_counter() - begin)


def _event() -> ClientEvent:
    return ClientEvent("AgentDecisionMade", DATA, metadata=METADATA)


def wire(folder: Path) -> None:
    """The served store against a server of canned answers."""
    cases: Sequence[tuple[str, Callable[[str], float]]] = (
        ("wire: single appends, 1 connection", lambda uri: single(uri, 1, 300)),
        ("wire: single appends, 16 connections", lambda uri: single(uri, 16, 60)),
        ("wire: appends of 256", lambda uri: batched(uri, 256, 30)),
        ("wire: read a stream", read_stream),
        ("wire: catch up with the log", catch_up),
    )
    path = folder / "served.db"
    with SqliteStore.open(path) as store:
        for _ in range(20):
            store.append("bench-0", Expected.ANY, fresh(1000))
    with (
        process("runtime.cli", "store", "serve", str(path), "--listen", "localhost:0") as served,
        process("tests.benchmarks.canned") as canned,
    ):
        for name, case in cases:
            compare(name, lambda case=case: case(served), lambda case=case: case(canned), 0.7)  # type: ignore[misc]


def main() -> None:
    """Measure everything."""
    title = "events a second, and wanted ratio"
    print(f"{title:<44}{'lucent':>12}{'least':>12}{'ratio':>8}{'wanted':>8}")
    with TemporaryDirectory() as folder:
        embedded(Path(folder))
        wire(Path(folder))


if __name__ == "__main__":
    main()
