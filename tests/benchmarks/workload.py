"""The tick workload as a Lucent job, and the plain loop it is compared with.

One million seeded ticks over 64 keys, about 1 % decisions, signed and durable: the workload
and its baseline are `bench/ticks.py` of the shared folder beside the project.
"""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from runtime.jobs.config import RunConfig, parse_config

SHARED = Path(__file__).parents[3] / "shared" / "bench" / "ticks.py"

STRATEGIES = {
    "event": "tests.benchmarks.strategies:TickZScore",
    "window": "strategies.zscore:PriceZScore",
}
"""What is measured by form: the plain loop's own recursion, and the shipped window strategy."""


def load_baseline() -> ModuleType | None:
    """The module of the plain loop, or None where the shared folder is absent."""
    if not SHARED.exists():
        return None
    spec = spec_from_file_location("ticks", SHARED)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_tape(ticks: ModuleType, count: int, path: Path) -> None:
    """The ticks as a Parquet file with columns pool, ts (ns), price."""
    rows = ticks.load_ticks(count)
    table = pa.table(
        {
            "pool": pa.DictionaryArray.from_arrays(pa.array(rows["sym"]), pa.array(ticks.KEYS)),
            "ts": rows["ts"].copy(),
            "price": rows["price"].copy(),
        }
    )
    pq.write_table(table, path, row_group_size=1 << 17)


def config(ticks: ModuleType, directory: Path, **run: Any) -> RunConfig:
    """The job over `directory`/ticks.parquet; `run` gives shell, hosts, form, batch, events."""
    data = {
        "run": {"name": "ticks", "signing_block": run.get("block", 1)},
        "store": {"path": run["store"]},
        "keys": {"demo": True},
        "hosts": {"count": run.get("hosts", 1), "shell": run["shell"]},
        "credit": {
            "events": run.get("events", 262_144),
            "batch": run.get("batch", 65_536),
        },
        "feeds": [
            {
                "name": "ticks",
                "path": "ticks.parquet",
                "event_type": "PriceObserved",
                "aggregate": ["pool"],
                "event_time": {"column": "ts", "unit": "ns"},
                "columns": {"price": "price"},
            }
        ],
        "agents": [
            {
                "name": "zscore",
                "strategy": STRATEGIES[run["form"]],
                "listens": ["PriceObserved"],
                "parameters": {"alpha": ticks.ALPHA, "warmup": ticks.WARMUP, "threshold": 2.65},
            }
        ],
    }
    return parse_config(data, directory)
