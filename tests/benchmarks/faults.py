"""`make faults`: how long recovery and rescaling take on a real Ray run, and how it scales.

Prints, of a strategy that spends 20 us on each event: throughput of 2 hosts over that of 1;
seconds from the SIGKILL of a host until its replacement has answered, over 20 kills; and the
longest pause of each key while a run goes from 2 to 8 to 3 hosts, and while its strategy is
upgraded.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray

from runtime.jobs.config import RunConfig, parse_config
from runtime.jobs.connection import settle_ray
from runtime.store import SqliteStore
from tests.chaos.live import Live

KEYS = 64
KILLS = 20


def write_tape(path: Path, events: int) -> None:
    """Ticks of 64 keys in turn."""
    table = pa.table(
        {
            "pool": pa.DictionaryArray.from_arrays(
                pa.array(np.arange(events) % KEYS, pa.int32()),
                pa.array([f"pool-{number:03d}" for number in range(KEYS)]),
            ),
            "ts": np.arange(events, dtype=np.int64) * 1_000_000,
            "price": np.ones(events),
        }
    )
    pq.write_table(table, path, row_group_size=1 << 16)


def config(folder: Path, name: str, events: int, *, every: int = 50, **hosts: Any) -> RunConfig:
    """A run of the busy strategy over so many ticks, which decides on every so many."""
    tape = folder / f"{events}.parquet"
    if not tape.exists():
        write_tape(tape, events)
    feed = {
        "name": "ticks",
        "path": str(tape),
        "event_type": "PriceObserved",
        "aggregate": ["pool"],
        "event_time": {"column": "ts", "unit": "ns"},
        "columns": {"price": "price"},
    }
    agent = {
        "name": "busy",
        "strategy": "tests.benchmarks.strategies:Busy",
        "listens": ["PriceObserved"],
        "parameters": {"micros": 20.0 if every > 1 else 1.0, "every": every},
    }
    data = {
        "run": {"name": name, "snapshot_events": 20_000},
        "store": {"path": str(folder / f"{name}.db")},
        "keys": {"demo": True},
        "hosts": {"shell": "ray", **hosts},
        "feeds": [feed],
        "agents": [agent],
    }
    return parse_config(data, folder)


def small(config: RunConfig) -> RunConfig:
    """The run with batches of 1,024 events, where it is measured how long a key waits."""
    return config.changed("credit", batch=1024, events=8192)


def poison(folder: Path) -> None:
    """Throughput of healthy aggregates while every fifth is poisoned, over that of a good day."""
    rates = []
    for name, fifth in (("good", 0), ("poisoned", 5)):
        config_ = config(folder, name, 300_000, count=2)
        parameters = {**config_.agents[0].parameters, "poison": fifth}
        agent = config_.agents[0].model_copy(update={"parameters": parameters})
        outcome = Live(config_.model_copy(update={"agents": (agent,)})).outcome()
        rates.append(outcome.events / outcome.seconds)
    print(
        f"poison: {outcome.parked} of {KEYS} aggregates in quarantine; the others go on at"
        f" {rates[1] / rates[0]:.0%} of their throughput"
    )


def scaling(folder: Path) -> None:
    """Throughput of two hosts over one."""
    rates = []
    for count in (1, 2):
        outcome = Live(config(folder, f"scale{count}", 300_000, count=count)).outcome()
        rates.append(outcome.events / outcome.seconds)
    print(f"scaling: 1 host {rates[0]:,.0f}, 2 hosts {rates[1]:,.0f} events/s: "
          f"{rates[1] / rates[0]:.2f} times")  # fmt: skip


def recovery(folder: Path, spares: int) -> None:
    """Seconds until a replacement has answered, over 20 kills."""
    took: list[float] = []
    number = 0
    while len(took) < KILLS:
        number += 1
        name = f"kills{spares}-{number}"
        live = Live(small(config(folder, name, 1_000_000, count=2, spares=spares)))
        known = {-1}
        while not live.over and len(took) < KILLS:
            status = live.until(lambda s: _fresh(s, known, spares))  # noqa: B023
            if live.over:
                break
            time.sleep(0.5)
            victim = next(h for h in status.hosts if h.slot == 0)
            known = {host.host for host in status.hosts if host.slot >= 0}
            began = time.monotonic()
            live.kill_host(victim)
            live.until(lambda s: _resumed(s, known))  # noqa: B023
            if not live.over:
                took.append(time.monotonic() - began)
        live.remote.stop() if not live.over else None
        live.outcome()
    p50, p95, worst = np.percentile(took, [50, 95, 100])
    print(f"recovery, {spares} spares, {len(took)} kills: median {p50:.2f} s, p95 {p95:.2f} s,"
          f" worst {worst:.2f} s")  # fmt: skip


def _fresh(status: Any, known: set[int], spares: int) -> bool:
    ready = [host for host in status.hosts if host.slot >= 0 and host.answered]
    spare = [host for host in status.hosts if host.state == "spare"]
    return len(ready) == 2 and len(spare) == spares


def _resumed(status: Any, known: set[int]) -> bool:
    return any(h.slot == 0 and h.host not in known and h.answered for h in status.hosts)


def rescaling(folder: Path) -> None:
    """The longest pause of each key from 2 to 8 to 3 hosts."""
    live = Live(small(config(folder, "rescale", 1_500_000, count=2)))
    live.until(lambda s: all(h.answered for h in s.hosts) and len(s.hosts) == 2)
    time.sleep(2.0)
    began = time.time_ns()
    live.remote.scale(8)
    live.until(lambda s: len([h for h in s.hosts if h.groups]) == 8)
    out = time.time_ns()
    time.sleep(2.0)
    live.remote.scale(3)
    live.until(lambda s: {h.slot for h in s.hosts if h.groups} == {0, 1, 2})
    ended = time.time_ns()
    over = live.over
    outcome = live.outcome()
    pauses = _pauses(outcome.store, began, ended)
    before = _pauses(outcome.store, began - 2_000_000_000, began)
    p50, p99 = np.percentile(pauses, [50, 99])
    print(f"rescaling 2 to 8 to 3{' (over before its end)' if over else ''}: to 8 in"
          f" {(out - began) / 1e9:.1f} s; longest pause of a key: median {p50:.0f} ms,"
          f" p99 {p99:.0f} ms; in the 2 s before: {np.percentile(before, 99):.0f} ms")  # fmt: skip


def upgrading(folder: Path) -> None:
    """The longest pause of each key while hosts of other parameters take over."""
    before = small(config(folder, "upgrade", 1_500_000, count=2))
    agent = before.agents[0].model_copy(
        update={"parameters": {**before.agents[0].parameters, "micros": 19.0}}
    )
    live = Live(before)
    live.until(lambda s: all(h.answered for h in s.hosts) and len(s.hosts) == 2)
    time.sleep(2.0)
    began = time.time_ns()
    live.remote.upgrade(before.model_copy(update={"agents": (agent,)}))
    stands = live.until(lambda s: s.upgrade is not None and s.upgrade.state == "done").upgrade
    took = time.time_ns() - began
    time.sleep(0.5)
    ended = time.time_ns()
    live.remote.stop()
    outcome = live.outcome()
    pauses, earlier = (
        _pauses(outcome.store, *span) for span in ((began, ended), (began - 2 * 10**9, began))
    )
    p50, p99 = np.percentile(pauses, [50, 99])
    state = "not done" if stands is None else stands.state
    print(f"upgrade: {state} {took / 1e9:.1f} s after it was asked for; longest pause of a key:"
          f" median {p50:.0f} ms, p99 {p99:.0f} ms; in the 2 s before:"
          f" {np.percentile(earlier, 99):.0f} ms")  # fmt: skip


def _pauses(path: Path, began: int, ended: int) -> list[float]:
    """The longest time between two decisions of each key, in milliseconds."""
    pauses = []
    with SqliteStore.open(path, writer=False) as store:
        for name in store.streams("agent-"):
            times = [event.recorded_at for event in store.read_stream(name)]
            within = np.array([at for at in times if began <= at <= ended])
            if len(within) > 1:
                pauses.append(float(np.diff(within).max() / 1e6))
    return pauses


def main() -> None:
    """Measure and print."""
    settle_ray()
    ray.init(num_cpus=10, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    try:
        with TemporaryDirectory() as folder:
            scaling(Path(folder))
            poison(Path(folder))
            rescaling(Path(folder))
            upgrading(Path(folder))
            for spares in (0, 1):
                recovery(Path(folder), spares)
    finally:
        ray.shutdown()


if __name__ == "__main__":
    sys.exit(main())
