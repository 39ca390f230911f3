"""Latency at 1,000 events a second, from observation to durable signed decision.

In the same run: the 99th percentile of a bare call of a Ray actor. The feed gives each event
when its second has come; every event is decided on.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import ray

from runtime.engine.cluster import RayHosts
from runtime.engine.statistics import PERCENTILES
from runtime.jobs import execution
from runtime.jobs.config import RunConfig
from runtime.jobs.connection import settle_ray
from runtime.jobs.control import RunControl
from runtime.jobs.execution import Outcome
from runtime.jobs.launch import prepare
from tests.benchmarks.faults import config as busy
from tests.benchmarks.faults import write_tape

PER_SECOND = 1_000
SECONDS = 15


class Echo:
    """The bare actor."""

    def call(self, value: int) -> int:
        """Give it back."""
        return value


def bare() -> np.ndarray[Any, Any]:
    """Milliseconds of a thousand calls of an actor, one after the other."""
    actor = ray.remote(Echo).remote()  # type: ignore[attr-defined]
    ray.get([actor.call.remote(0) for _ in range(100)])
    took = []
    for number in range(1_000):
        began = time.perf_counter()
        ray.get(actor.call.remote(number))
        took.append((time.perf_counter() - began) * 1e3)
    ray.kill(actor)
    return np.array(took)


def run_paced(config: RunConfig) -> Outcome:
    """Carry a run out whose observations come in time; the supervisor is in this process."""
    paced = config.changed("run", pace=1.0)
    return execution.execute(prepare(paced), RayHosts, RunControl())


def main() -> None:
    """Measure and print."""
    settle_ray()
    ray.init(num_cpus=4, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    try:
        calls = bare()
        with TemporaryDirectory() as folder:
            events = PER_SECOND * SECONDS
            write_tape(Path(folder) / f"{events}.parquet", events)
            outcome = run_paced(busy(Path(folder), "latency", events, every=1, count=2))
    finally:
        ray.shutdown()
    (stats,) = outcome.stages.values()
    told = ", ".join(
        f"p{share * 100:g} {seconds * 1e3:.1f} ms"
        for share, seconds in zip(PERCENTILES, stats.latency, strict=True)
    )
    p99 = float(np.percentile(calls, 99))
    print(f"latency at {PER_SECOND:,} events/s: {told}; a bare actor call: p99 {p99:.1f} ms;"
          f" ratio of p99 {stats.latency[-1] * 1e3 / p99:.1f}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
