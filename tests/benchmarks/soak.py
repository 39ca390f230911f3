"""`make soak`: memory while the log is ten times too slow, for ten minutes.

A run in this process whose writes are slowed down to a tenth of the speed it would have;
prints the resident memory over time. `SECONDS=20 make soak` is a short form.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from runtime.engine.committer import Committer
from runtime.engine.local import LocalHosts
from runtime.jobs.config import RunConfig, parse_config
from runtime.jobs.control import RunControl
from runtime.jobs.execution import Outcome, execute
from runtime.jobs.launch import prepare

EVENTS = 4_000_000
SLOWER = 9.0
WARM_UP = 0.3


@dataclass
class Memory:
    """Samples the resident memory of this process, and what Arrow holds of it, in bytes."""

    samples: list[int] = field(default_factory=list)
    arrow: list[int] = field(default_factory=list)
    _done: threading.Event = field(default_factory=threading.Event)

    def watch(self, seconds: float, then: Callable[[], None]) -> None:
        """Sample for so long; then call `then`."""
        process = psutil.Process()
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._done.wait(0.1):
            self.samples.append(process.memory_info().rss)
            self.arrow.append(pa.total_allocated_bytes())
        then()

    def growth(self) -> float:
        """How much more the last third of the samples is than the first, once it is warm."""
        warm = self.samples[int(len(self.samples) * WARM_UP) :]
        third = max(1, len(warm) // 3)
        return float(np.median(warm[-third:]) / np.median(warm[:third]) - 1.0)


def config(folder: Path, events: int) -> RunConfig:
    """A run over more ticks than it will come to."""
    table = pa.table(
        {
            "pool": pa.DictionaryArray.from_arrays(
                pa.array(np.arange(events) % 64, pa.int32()),
                pa.array([f"pool-{number:03d}" for number in range(64)]),
            ),
            "ts": np.arange(events, dtype=np.int64) * 1_000_000,
            "price": np.ones(events),
        }
    )
    pq.write_table(table, folder / "ticks.parquet", row_group_size=1 << 14)
    del table
    feed = {
        "name": "ticks",
        "path": "ticks.parquet",
        "event_type": "PriceObserved",
        "aggregate": ["pool"],
        "event_time": {"column": "ts", "unit": "ns"},
        "columns": {"price": "price"},
    }
    agent = {
        "name": "busy",
        "strategy": "tests.benchmarks.strategies:Busy",
        "parameters": {"micros": 1.0, "every": 5},
        "listens": ["PriceObserved"],
    }
    data = {
        "run": {"name": "soak", "snapshot_events": 5_000},
        "store": {"path": "soak.db"},
        "keys": {"demo": True},
        "hosts": {"shell": "local", "count": 2},
        "credit": {"batch": 256, "events": 4_096},
        "feeds": [feed],
        "agents": [agent],
    }
    return parse_config(data, folder)


def soak(seconds: float, events: int = EVENTS) -> tuple[Memory, Outcome]:
    """Run with a slow log for so long; returns the memory and what came of the run."""
    written = Committer._written

    def slowly(self: Committer, write: Any) -> Any:
        began = time.monotonic()
        appended = written(self, write)
        time.sleep(SLOWER * (time.monotonic() - began))
        return appended

    memory, control = Memory(), RunControl()
    with TemporaryDirectory() as folder:
        job = prepare(config(Path(folder), events))
        gc.collect()
        Committer._written = slowly  # type: ignore[method-assign]
        thread = threading.Thread(target=memory.watch, args=(seconds, control.stop))
        try:
            thread.start()
            outcome = execute(job, LocalHosts, control)
        finally:
            Committer._written = written  # type: ignore[method-assign]
            thread.join()
    return memory, outcome


def main() -> None:
    """Soak and print."""
    seconds = float(os.environ.get("SECONDS") or 600)
    memory, outcome = soak(seconds)
    peak, growth = max(memory.samples) / 2**20, memory.growth()
    print(
        f"soak: {outcome.events:,} events in {seconds:.0f} s with a log ten times too slow:"
        f" memory grew by {growth:+.1%}, peak {peak:.0f} MiB"
    )


if __name__ == "__main__":
    sys.exit(main())
