"""What it costs to open a store and first use it, and to go on with a run, by the log's length.

Prints median milliseconds of each step at 1,000 and at 1,000,000 events, and the ratio of the
two: what is near 1 does not grow with the log. Then the same of a run that was stopped and is
resumed: until its agents were sent the next events, and it is stopped again.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from runtime.events import NewEvent, named_id
from runtime.store import Append, Expected, Filter, SqliteStore, Write
from tests.support.jobs import POOLS, START, follower, job, run_until, watcher

LENGTHS = (1_000, 1_000_000)
STREAMS = 2_000
BATCH = 4_096
OPENINGS = 9
HOURS = 5_000
PARTS = 12
"""Parts that a run sends to its agents before it is stopped, each of 512 events or fewer."""

ANY = Expected.ANY


def _event(name: str, kind: str = "PositionRecommended") -> NewEvent:
    return NewEvent(named_id(name), kind, b"x" * 200, b"{}")


def build(path: Path, events: int) -> Path:
    """A store of so many events, a run's start first; answers a copy whose writer was killed."""
    crashed = path.with_name(f"{path.name}.killed")
    with SqliteStore.open(path) as store:
        store.append("system-bench", ANY, [_event("started", "RunStarted")])
        for start in range(1, events, BATCH):
            appends = [
                Append(f"agent-bench/{number % STREAMS}", ANY, [_event(str(number))])
                for number in range(start, min(start + BATCH, events))
            ]
            store.write(Write(appends))
    with SqliteStore.open(path) as store:
        store.append("agent-bench/1", ANY, [_event(f"last/{number}") for number in range(BATCH)])
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{path}{suffix}", f"{crashed}{suffix}")
    os.sync()
    return crashed


def steps(store: SqliteStore, opening: int) -> dict[str, Callable[[], object]]:
    """What is done first after an opening, by name."""
    started = Filter(["system-"], ["RunStarted"])
    return {
        "append to a stream": lambda: store.append("agent-bench/7", ANY, [_event(f"a{opening}")]),
        "append to a new one": lambda: store.append(f"n-{opening}", ANY, [_event(f"b{opening}")]),
        "end of the log": store.end,
        "read one event": lambda: list(store.read_stream("agent-bench/7", 0, limit=1)),
        "revision of a stream": lambda: store.revision("agent-bench/8"),
        "find by id": lambda: store.find(named_id("5")),
        "heads of 11 streams": lambda: list(store.heads("agent-bench/100")),
        "what runs began": lambda: list(store.read_all(only=started)),
        "claim": lambda: store.claim("bench"),
        "close": store.close,
    }


def opened(path: Path, crashed: Path) -> dict[str, float]:
    """Median milliseconds of an opening and of each step after it."""
    took: dict[str, list[float]] = {}

    def timed(name: str, act: Callable[[], SqliteStore]) -> SqliteStore:
        began = time.perf_counter()
        result = act()
        took.setdefault(name, []).append((time.perf_counter() - began) * 1e3)
        return result

    for opening in range(OPENINGS):
        copy = crashed.with_name("copy.db")
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{crashed}{suffix}", f"{copy}{suffix}")
        timed("open after a kill", lambda: SqliteStore.open(copy)).close()  # noqa: B023
        timed("open to read", lambda: SqliteStore.open(path, writer=False)).close()
        store = timed("open", lambda: SqliteStore.open(path))
        for name, step in steps(store, opening).items():
            timed(name, step)  # type: ignore[arg-type]
    return {name: median(times) for name, times in took.items()}


def resumed(path: Path) -> dict[str, float]:
    """Median milliseconds to go on with a stopped run, until it is stopped again.

    It takes in some thousand observations first, in two stages, and each time some more.
    """
    rows = [
        {"pool": pool, "symbol": symbol, "at": START + hour * 10**9, "rate": 0.03}
        for hour in range(HOURS)
        for pool, symbol in POOLS.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows), path.with_name("rates.parquet"))
    agents = [watcher(every=1), follower()]
    config = job(path.parent, store={"path": str(path)}, credit={"batch": 512}, agents=agents)
    run_until(config, PARTS)
    took = []
    for _ in range(OPENINGS):
        began = time.perf_counter()
        run_until(config, 1)
        took.append((time.perf_counter() - began) * 1e3)
    return {"resume a run": median(took)}


def main() -> None:
    """Measure and print."""
    figures = []
    with TemporaryDirectory() as folder:
        for events in LENGTHS:
            path = Path(folder) / f"{events}.db"
            crashed = build(path, events)
            size = crashed.with_name(f"{crashed.name}-wal").stat().st_size / 2**20
            figures.append((opened(path, crashed) | resumed(path), size))
    (short, less), (long, more) = figures
    print(f"opening, ms at {' ':15} {LENGTHS[0]:>9,} {LENGTHS[1]:>9,} events  ratio")
    for name, took in long.items():
        print(f"  {name:28} {short[name]:9.2f} {took:9.2f} {took / short[name]:13.1f}")
    print(f"  (the write-ahead logs that kills left had {less:.1f} and {more:.1f} MiB)")


if __name__ == "__main__":
    main()
