"""The second workload of `make bench`: real prices of 2,871 vaults, sorted by time.

1,243,385 rows of ERC-4626 share prices, about one a day and vault, from the shared folder;
rows without a usable price are skipped and counted. Rates are set against the plain loop's.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import ray

from runtime.jobs.config import RunConfig, parse_config
from runtime.jobs.connection import settle_ray
from runtime.jobs.launch import prepare, run_job
from tests.benchmarks import workload

PRICES = workload.SHARED.parents[1] / "data" / "erc4626_vaults" / "vault_prices.parquet"
ROUNDS = 3
CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("local, window", {"shell": "local", "count": 1}),
    ("Ray 2 hosts, window", {"shell": "ray", "count": 2}),
)


def write_tape(path: Path) -> int:
    """The prices in the order of time; returns how many rows there are."""
    table = pq.read_table(PRICES, columns=["chain", "address", "timestamp", "share_price"])
    table = table.sort_by([("timestamp", "ascending"), ("chain", "ascending")])
    chain = pc.cast(table["chain"], pa.string())
    vault = pc.binary_join_element_wise(chain, pc.cast(table["address"], pa.string()), "/")
    times = pc.cast(pc.cast(table["timestamp"], pa.timestamp("ns")), pa.int64())
    columns = {"vault": vault.dictionary_encode(), "ts": times, "price": table["share_price"]}
    pq.write_table(pa.table(columns), path, row_group_size=1 << 17)
    return int(table.num_rows)


def config(folder: Path, store: str, **hosts: Any) -> RunConfig:
    """The window strategy over all vaults."""
    feed = {
        "name": "vaults",
        "path": "vaults.parquet",
        "event_type": "PriceObserved",
        "aggregate": ["vault"],
        "event_time": {"column": "ts", "unit": "ns"},
        "columns": {"price": "price"},
        "policy": "skip",
    }
    agent = {
        "name": "zscore",
        "strategy": workload.STRATEGIES["window"],
        "listens": ["PriceObserved"],
    }
    data = {
        "run": {"name": "vaults"},
        "store": {"path": store},
        "keys": {"demo": True},
        "hosts": hosts,
        "credit": {"events": 262_144, "batch": 65_536},
        "feeds": [feed],
        "agents": [agent],
    }
    return parse_config(data, folder)


def main() -> None:
    """Measure and print, or say why it cannot be done."""
    ticks = workload.load_baseline()
    if ticks is None or not PRICES.exists():
        print(f"skipped: {PRICES} is not there")
        return
    settle_ray()
    ray.init(num_cpus=4, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    try:
        with TemporaryDirectory() as folder:
            rows = write_tape(Path(folder) / "vaults.parquet")
            for name, hosts in CASES:
                measure(ticks, Path(folder), name, hosts, rows)
    finally:
        ray.shutdown()


def measure(ticks: Any, folder: Path, name: str, hosts: dict[str, Any], rows: int) -> None:
    """Run a case a few times, in turn with the plain loop."""
    rates, ratios = [], []
    for number in range(ROUNDS):
        base = float(ticks.baseline(1_000_000)["ticks_per_s"])
        outcome = run_job(prepare(config(folder, f"{name}-{number}.db", **hosts)))
        rates.append(outcome.events / outcome.seconds)
        ratios.append(rates[-1] / base)
    skipped = sum(outcome.rejected.counts.values())
    print(
        f"vaults, {name:22} {median(rates):>11,.0f} prices/s  ratio {median(ratios):.2f};"
        f" {outcome.decisions:,} decisions in {outcome.streams:,} streams, {skipped:,} of"
        f" {rows:,} rows skipped"
    )


if __name__ == "__main__":
    sys.exit(main())
