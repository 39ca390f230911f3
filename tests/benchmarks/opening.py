"""What opening a store and first using it cost, whatever its length: seconds by length.

Each figure is the median of several openings, at 1,000 and at 1,000,000 events; the ratio of
the two says what grows with the log.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from runtime.events import NewEvent, named_id
from runtime.store import Append, Expected, Filter, SqliteStore, Write

LENGTHS = (1_000, 1_000_000)
STREAMS = 2_000
BATCH = 4_096
OPENINGS = 9
ANY = Expected.ANY


def build(path: Path, events: int) -> None:
    """A store of so many events in 2,000 streams, as decisions are named; a run's stream first."""
    with SqliteStore.open(path) as store:
        store.append("system-bench", ANY, [_event("started", "RunStarted")])
        for start in range(1, events, BATCH):
            appends = [
                Append(f"agent-bench/{number % STREAMS}", ANY, [_event(str(number))])
                for number in range(start, min(start + BATCH, events))
            ]
            store.write(Write(appends))


def _event(name: str, kind: str = "PositionRecommended") -> NewEvent:
    return NewEvent(named_id(name), kind, b"x" * 200, b"{}")


def steps(store: SqliteStore, opening: int) -> dict[str, Callable[[], object]]:
    """What is done first after an opening, by name."""
    started = Filter(["system-"], ["RunStarted"])
    return {
        "append to a stream": lambda: store.append("agent-bench/7", ANY, [_event(f"a{opening}")]),
        "append to a new one": lambda: store.append(f"n-{opening}", ANY, [_event(f"b{opening}")]),
        "end": store.end,
        "read one event": lambda: list(store.read_stream("agent-bench/7", 0, limit=1)),
        "revision": lambda: store.revision("agent-bench/8"),
        "find by id": lambda: store.find(named_id("5")),
        "heads of 11 streams": lambda: list(store.heads("agent-bench/100")),
        "what runs began": lambda: list(store.read_all(only=started)),
        "claim": lambda: store.claim("bench"),
        "close": store.close,
    }


def measure(path: Path) -> dict[str, float]:
    """Median seconds of each step."""
    took: dict[str, list[float]] = {}
    for opening in range(OPENINGS):
        began = time.perf_counter()
        store = SqliteStore.open(path)
        took.setdefault("open", []).append(time.perf_counter() - began)
        for name, step in steps(store, opening).items():
            began = time.perf_counter()
            step()
            took.setdefault(name, []).append(time.perf_counter() - began)
    return {name: median(times) for name, times in took.items()}


def main() -> None:
    """Measure and print."""
    with TemporaryDirectory() as folder:
        figures = []
        for events in LENGTHS:
            path = Path(folder) / f"{events}.db"
            build(path, events)
            figures.append(measure(path))
    short, long = figures
    print(f"opening: {'ms at':>21} {LENGTHS[0]:>9,} {LENGTHS[1]:>9,} events, ratio")
    for name, seconds in long.items():
        print(f"  {name:28} {short[name] * 1e3:9.2f} {seconds * 1e3:9.2f}"
              f" {seconds / short[name]:13.1f}")  # fmt: skip
    print(f"  {'all':28} {sum(short.values()) * 1e3:9.2f} {sum(long.values()) * 1e3:9.2f}"
          f" {sum(long.values()) / sum(short.values()):13.1f}")  # fmt: skip


if __name__ == "__main__":
    main()
