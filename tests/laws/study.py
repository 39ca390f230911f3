"""The runs that the laws are tested on, over the bundled year of Aave rates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runtime.jobs.config import RunConfig, load_config, parse_config

DEMO = "package:agents.samples/aave-v3-daily/demo.toml"
FEED: dict[str, Any] = {
    "name": "aave-v3",
    "path": "package:agents.samples/aave-v3-daily/aave_v3_daily.parquet",
    "event_type": "PoolRateObserved",
    "aggregate": ["network", "asset_address"],
    "event_time": {"column": "generated_at"},
    "columns": {"rate": "current_liquidity_rate", "symbol": "symbol", "frozen": "frozen"},
}

ROOT = "c668929f8f7c6cae9855360d04ee67fa97fc1e44bf3dc542805b10766a9250ef"
"""The root of `arithmetic`, on every machine."""


def arithmetic(store: Path, **changes: Any) -> RunConfig:
    """Two stages of plain arithmetic over all pools: a scout a pool, a follower a symbol."""
    data: dict[str, Any] = {
        "run": {
            "name": "arithmetic",
            "snapshot_events": changes.pop("snapshot_events", 10_000),
            "signing_block": changes.pop("signing_block", 1),
        },
        "store": {"path": str(store)},
        "keys": {"demo": True},
        "hosts": {"shell": "local", "count": changes.pop("hosts", 2)},
        "credit": changes.pop("credit", {"batch": 1024, "events": 8192}),
        "feeds": [FEED | changes.pop("feed", {})],
        "agents": [
            {"agent": "yield-scout", "form": changes.pop("form", "window")},
            {
                "name": "follower",
                "strategy": changes.pop("follow", "tests.support.strategies:Follow"),
                "listens": ["YieldOpportunityDetected", "OpportunityRejected"],
                "key": "symbol",
            },
        ],
    }
    if "shell" in changes:
        data["hosts"]["shell"] = changes.pop("shell")
    assert not changes, changes
    return parse_config(data, store.parent)


def shipped(store: Path, **hosts: Any) -> RunConfig:
    """The demo's three agents over two networks."""
    config = load_config(DEMO).changed("store", path=str(store)).changed("hosts", **hosts)
    few = config.feeds[0].model_copy(update={"select": {"network": ("base", "scroll")}})
    return config.model_copy(update={"feeds": (few,)})
