"""Small real runs: a tape of lending rates, two stages of agents, demo keys, the local shell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from runtime.engine.commands import HostCommand, Send
from runtime.engine.local import LocalHosts
from runtime.jobs.config import RunConfig, parse_config
from runtime.jobs.control import RunControl
from runtime.jobs.execution import Outcome, execute
from runtime.jobs.launch import prepare, run
from tests.support.strategies import HERE

POOLS = {"base/usdc": "USDC", "celo/usdc": "USDC", "base/dai": "DAI"}
HOUR = 3_600_000_000_000
START = 1_700_000_000_000_000_000


def write_rates(path: Path, hours: int = 8, shift: float = 0.0) -> Path:
    """Rates of each pool in each hour; `shift` makes them others."""
    rows = [
        {
            "pool": pool,
            "symbol": symbol,
            "at": START + hour * HOUR,
            "rate": round(0.03 + hour / 1000 + number / 100 + shift, 6),
        }
        for hour in range(hours)
        for number, (pool, symbol) in enumerate(POOLS.items())
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def rates_feed(path: str = "rates.parquet", **changes: Any) -> dict[str, Any]:
    """The declaration of what `write_rates` writes."""
    declared = {
        "name": "rates",
        "path": path,
        "event_type": "PoolRateObserved",
        "aggregate": ["pool"],
        "event_time": {"column": "at", "unit": "ns"},
        "columns": {"rate": "rate", "symbol": "symbol"},
    }
    return declared | changes


def watcher(name: str = "watcher", every: int = 2, **changes: Any) -> dict[str, Any]:
    """An agent that observes."""
    return {
        "name": name,
        "strategy": f"{HERE}:Watch",
        "listens": ["PoolRateObserved"],
        "parameters": {"every": every},
    } | changes


def follower(name: str = "follower", **changes: Any) -> dict[str, Any]:
    """An agent that listens to the watcher, by symbol."""
    return {
        "name": name,
        "strategy": f"{HERE}:Follow",
        "listens": ["YieldOpportunityDetected"],
        "key": "symbol",
    } | changes


def job_data(**changes: Any) -> dict[str, Any]:
    """A config as a user would write it; `changes` replaces whole sections."""
    return {
        "run": {"name": "study"},
        "store": {"path": "log.db"},
        "keys": {"demo": True},
        "hosts": {"count": 1, "shell": "local"},
        "credit": {"batch": 5},
        "feeds": [rates_feed()],
        "agents": [watcher(), follower()],
    } | changes


def job(folder: Path, **changes: Any) -> RunConfig:
    """That config in `folder`, whose tape is written if it is missing."""
    if not (folder / "rates.parquet").exists():
        write_rates(folder / "rates.parquet")
    return parse_config(job_data(**changes), folder)


def run_in(folder: Path, **changes: Any) -> Outcome:
    """Carry that config out to its end."""
    return run(job(folder, **changes))


class StoppingHosts(LocalHosts):
    """Stops the run when so many parts were sent."""

    control: RunControl
    parts: int

    def carry_out(self, command: HostCommand) -> None:
        super().carry_out(command)
        self.parts -= isinstance(command, Send)
        if not self.parts and isinstance(command, Send):
            self.control.stop()


def run_until(config: RunConfig, parts: int, *, upgrade: bool = False) -> Outcome:
    """Carry a config out until hosts were sent `parts` parts; then stop it."""
    control = RunControl()

    def start(plan: Any, post: Any, load: Any) -> StoppingHosts:
        hosts = StoppingHosts(plan, post, load)
        hosts.control, hosts.parts = control, parts
        return hosts

    return execute(prepare(config, upgrade=upgrade), start, control)


class Killed(Exception):
    """The process is gone."""


class KilledHosts(LocalHosts):
    """Ends the run at once when so many parts were sent."""

    parts = 20

    def carry_out(self, command: HostCommand) -> None:
        super().carry_out(command)
        self.parts -= isinstance(command, Send)
        if not self.parts:
            raise Killed
