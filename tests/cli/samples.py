"""A small recorded history and the config that runs agents over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

DAYS, POOLS = 120, ("eth:usdc", "eth:dai", "base:usdc", "arb:weth")

CONFIG = """
[run]
name = "small"

[store]
path = "small.db"

[keys]
demo = true

[hosts]
count = 2
shell = "local"

[[feeds]]
name = "rates"
path = "rates.parquet"
event_type = "PoolRateObserved"
aggregate = ["pool"]
event_time = {{ column = "time", unit = "iso" }}
policy = "{policy}"

[feeds.columns]
rate = {{ column = "rate", unit = "{unit}" }}
symbol = "symbol"

[[agents]]
agent = "yield-scout"
parameters = {{ warmup = 5, threshold = 1.5 }}
"""


def rows() -> dict[str, list[Any]]:
    """Daily rates of four pools, which jump now and then."""
    columns: dict[str, list[Any]] = {"time": [], "pool": [], "symbol": [], "rate": []}
    for day in range(DAYS):
        for number, pool in enumerate(POOLS):
            columns["time"].append(
                f"2025-{1 + day // 28:02d}-{1 + day % 28:02d}T{number:02d}:00:00Z"
            )
            columns["pool"].append(pool)
            columns["symbol"].append(pool.partition(":")[2].upper())
            jump = 0.05 if (day + 3 * number) % 17 == 0 else 0.0
            columns["rate"].append(0.03 + 0.001 * ((day * (number + 3)) % 7) + jump)
    return columns


def write_tape(directory: Path, columns: dict[str, list[Any]] | None = None) -> Path:
    """Write rows as `rates.parquet`."""
    path = directory / "rates.parquet"
    pq.write_table(pa.table(rows() if columns is None else columns), path)
    return path


def write_config(
    directory: Path, text: str = CONFIG, *, policy: str = "reject", unit: str = "fraction"
) -> Path:
    """Write the config of a run as `small.toml`."""
    path = directory / "small.toml"
    path.write_text(text.format(policy=policy, unit=unit))
    return path
