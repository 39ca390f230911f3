"""`make bench`: the tick workload through each shell, in turn with the plain loop.

Prints medians: ticks a second, their ratio to the plain loop of the same round, and the CPU
seconds that a million ticks cost in all processes. Start-up (Ray, hosts) is not counted.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import ModuleType

import psutil
import ray

from runtime.jobs.connection import settle_ray
from runtime.jobs.execution import Outcome
from runtime.jobs.launch import prepare, run_job
from tests.benchmarks import workload

TICKS = 1_000_000
ROUNDS = 5
CASES = (
    ("local, event by event", {"shell": "local", "form": "event", "hosts": 1}),
    ("local, window", {"shell": "local", "form": "window", "hosts": 1}),
    ("local, window, blocks", {"shell": "local", "form": "window", "hosts": 1, "block": 65_536}),
    ("Ray 2 hosts, event by event", {"shell": "ray", "form": "event", "hosts": 2}),
    ("Ray 2 hosts, window", {"shell": "ray", "form": "window", "hosts": 2}),
    (
        "Ray 2 hosts, window, blocks",
        {"shell": "ray", "form": "window", "hosts": 2, "block": 65_536},
    ),
    ("Ray 2 hosts, event, blocks", {"shell": "ray", "form": "event", "hosts": 2, "block": 65_536}),
)


@dataclass
class CpuMeter:
    """Samples the CPU seconds of this process and of all below it."""

    samples: list[tuple[float, float]] = field(default_factory=list)
    _seen: dict[tuple[int, float], float] = field(default_factory=dict)
    _done: threading.Event = field(default_factory=threading.Event)

    def sample(self) -> None:
        """Add a sample; what has ended meanwhile keeps its last figure."""
        root = psutil.Process()
        for process in [root, *root.children(recursive=True)]:
            try:
                times = process.cpu_times()
                self._seen[process.pid, process.create_time()] = times.user + times.system
            except psutil.Error:
                continue
        self.samples.append((time.perf_counter(), sum(self._seen.values())))

    def watch(self) -> None:
        """Sample until stopped."""
        while not self._done.wait(0.25):
            self.sample()

    def stop(self) -> None:
        """Stop sampling."""
        self._done.set()

    def spent(self, seconds: float) -> float:
        """CPU seconds over the last `seconds`."""
        end, last = self.samples[-1]
        before = [cpu for at, cpu in self.samples if at <= end - seconds]
        return last - (before[-1] if before else self.samples[0][1])


@contextmanager
def metered() -> Iterator[CpuMeter]:
    """A meter that runs while the block does."""
    meter = CpuMeter()
    thread = threading.Thread(target=meter.watch)
    meter.sample()
    thread.start()
    try:
        yield meter
    finally:
        meter.stop()
        thread.join()
        meter.sample()


def measure(run: Callable[[], Outcome]) -> tuple[float, float, Outcome]:
    """Ticks a second and CPU seconds of a run."""
    with metered() as meter:
        outcome = run()
    return TICKS / outcome.seconds, meter.spent(outcome.seconds), outcome


def bench(ticks: ModuleType, directory: Path) -> None:
    """Measure all cases in turn and print what came out."""
    rates: dict[str, list[float]] = {name: [] for name, _ in CASES}
    ratios: dict[str, list[float]] = {name: [] for name, _ in CASES}
    cpus: dict[str, list[float]] = {name: [] for name, _ in CASES}
    plain: list[float] = []
    for number in range(ROUNDS):
        for name, case in CASES:
            base = float(ticks.baseline(TICKS)["ticks_per_s"])
            store = directory / f"{number}-{name}.db"
            job = prepare(workload.config(ticks, directory, store=str(store), **case))
            rate, cpu, outcome = measure(lambda job=job: run_job(job))  # type: ignore[misc]
            assert outcome.decisions == 9_970, outcome.decisions
            plain.append(base)
            rates[name].append(rate)
            ratios[name].append(rate / base)
            cpus[name].append(cpu)
    print(f"plain loop: {median(plain):,.0f} ticks/s (signed, durable), {ROUNDS} rounds")
    for name, _ in CASES:
        spread = f"{min(ratios[name]):.2f} to {max(ratios[name]):.2f}"
        print(
            f"{name:30} {median(rates[name]):>11,.0f} ticks/s"
            f"  ratio {median(ratios[name]):.2f} ({spread})"
            f"  {median(cpus[name]):.2f} CPU s per million"
        )


def main() -> None:
    """Run the benchmark, or say why it cannot be run."""
    ticks = workload.load_baseline()
    if ticks is None:
        print(f"skipped: the baseline {workload.SHARED} is not there")
        return
    settle_ray()
    ray.init(num_cpus=4, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    try:
        with TemporaryDirectory() as directory:
            workload.write_tape(ticks, TICKS, Path(directory) / "ticks.parquet")
            bench(ticks, Path(directory))
    finally:
        ray.shutdown()


if __name__ == "__main__":
    sys.exit(main())
