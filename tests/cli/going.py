"""A run that goes on in another process, on a Ray of its own, and commands that reach it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from tests.cli.conftest import Ended
from tests.support.waiting import until

DEADLINE = 90.0
START = 1_700_000_000_000_000_000

LONG = """
[run]
name = "long"

[store]
path = "long.db"

[keys]
demo = true

[credit]
events = 512
batch = 64

[[feeds]]
name = "ticks"
path = "ticks.parquet"
event_type = "PoolRateObserved"
aggregate = ["pool"]
event_time = { column = "at", unit = "ns" }
columns = { rate = "rate" }

[[agents]]
agent = "yield-scout"
"""


def write_long(directory: Path, rows: int = 3_000_000) -> Path:
    """A config whose run takes minutes: it is small batches of many rows."""
    numbers = np.arange(rows)
    pools = pa.DictionaryArray.from_arrays(
        pa.array(numbers % 16, pa.int32()), [f"pool-{number}" for number in range(16)]
    )
    rate = 0.03 + 0.001 * ((numbers * 7) % 11) + np.where(numbers % 977 == 0, 0.05, 0.0)
    ticks = pa.table({"at": START + numbers * 10**9, "pool": pools, "rate": rate})
    pq.write_table(ticks, directory / "ticks.parquet")
    config = directory / "long.toml"
    config.write_text(LONG)
    return config


def environment(home: Path) -> dict[str, str]:
    """One in which Ray's token is that of `home`, and no Ray is named."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return kept | {"HOME": str(home), "RAY_AUTH_MODE": "token", "COLUMNS": "100"}


@dataclass(slots=True)
class Going:
    """A run under way: its process, the host:port of its Ray, how commands are called."""

    process: subprocess.Popen[str]
    directory: Path
    env: Mapping[str, str]
    address: str = ""

    @classmethod
    def start(cls, directory: Path, *arguments: str) -> Going:
        """`lucent run` in `directory`; comes back once it decides."""
        env = environment(directory)
        process = popen(directory, env, "run", "long.toml", *arguments)
        going = cls(process, directory, env)
        until(going._has_ray, "the run has started no Ray")
        until(lambda: going.phase == "running", "the run does not go on")
        return going

    def lucent(self, *arguments: str) -> Ended:
        """A command, in a process of its own, on the run's Ray."""
        return self.bare(*arguments, "--address", self.address)

    def bare(self, *arguments: str) -> Ended:
        """A command that is not told where the run's Ray is."""
        process = popen(self.directory, self.env, *arguments)
        out, err = process.communicate(timeout=DEADLINE)
        return Ended(process.returncode, out, err)

    def status(self) -> dict[str, Any]:
        """How the run stands."""
        told = self.lucent("status", "long", "--json")
        assert told.code == 0, told
        assert told.err == ""
        status: dict[str, Any] = json.loads(told.out)
        return status

    @property
    def phase(self) -> str:
        """Its phase; empty as long as there is no such run."""
        told = self.lucent("status", "long", "--json")
        return str(json.loads(told.out)["phase"]) if told.code == 0 else ""

    def end(self) -> Ended:
        """Wait for the end of the run's process."""
        out, err = self.process.communicate(timeout=DEADLINE)
        return Ended(self.process.returncode, out, err)

    def kill(self) -> None:
        """End the process and all that it started."""
        kill_tree(self.process.pid)
        self.process.communicate()

    def children(self) -> list[psutil.Process]:
        """All processes of the run's Ray."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def _has_ray(self) -> bool:
        assert self.process.poll() is None, self.process.communicate()
        for child in self.children():
            with suppress(psutil.Error):
                for argument in child.cmdline():
                    if argument.startswith("--gcs-address="):
                        self.address = argument.partition("=")[2]
        return bool(self.address)


def popen(directory: Path, env: Mapping[str, str], *arguments: str) -> subprocess.Popen[str]:
    """Start a `lucent` command."""
    return subprocess.Popen(
        [sys.executable, "-m", "runtime.cli", *arguments],
        cwd=directory,
        env=dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_tree(pid: int) -> None:
    """Kill a process and all that it started."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        for process in (*parent.children(recursive=True), parent):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
