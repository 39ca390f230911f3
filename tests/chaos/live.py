"""A run on Ray in a thread, that a test can look at and kill while it goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from threading import Thread
from typing import Any

import ray

from runtime.engine.messages import ReleaseRequested
from runtime.engine.named import find_supervisor
from runtime.engine.results import Who
from runtime.engine.statistics import HostStats
from runtime.errors import RunMissing
from runtime.jobs.config import RunConfig
from runtime.jobs.control import Status
from runtime.jobs.execution import Outcome
from runtime.jobs.launch import prepare, run_job
from runtime.jobs.remote import RemoteRun, find_run

PATIENCE = 120.0


class Live:
    """Starts the run; `outcome` waits for its end."""

    def __init__(self, config: RunConfig, *released: Who) -> None:
        releases = tuple(ReleaseRequested(who) for who in released)
        self.job = replace(prepare(config), releases=releases)
        self.name = config.run.name
        self._ended: list[Outcome | BaseException] = []
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._ended.append(run_job(self.job))
        except BaseException as error:  # noqa: BLE001 (raised by `outcome`)
            self._ended.append(error)

    @property
    def over(self) -> bool:
        return bool(self._ended)

    def outcome(self) -> Outcome:
        """How the run ended."""
        self._thread.join(PATIENCE)
        assert self._ended, f"run {self.name} did not end within {PATIENCE} s"
        if isinstance(self._ended[0], BaseException):
            raise self._ended[0]
        return self._ended[0]

    @property
    def remote(self) -> RemoteRun:
        return find_run(self.name)

    def status(self) -> Status:
        with suppress(RunMissing):
            return self.remote.status()
        return Status()

    def until(self, holds: Callable[[Status], Any]) -> Status:
        """Wait until the status is as wanted, or the run is over."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            status = self.status()
            if self.over or holds(status):
                return status
            time.sleep(0.01)
        raise AssertionError(f"run {self.name} did not come to what was waited for: {status}")

    def kill_host(self, host: HostStats) -> None:
        """SIGKILL the process of a host."""
        with suppress(ProcessLookupError):
            os.kill(int(host.place.rpartition(":")[2]), signal.SIGKILL)

    def kill_supervisor(self) -> None:
        """End the supervisor's process."""
        with suppress(ValueError):
            ray.kill(find_supervisor(self.name))


def working(status: Status) -> list[HostStats]:
    """Hosts that have answered something."""
    return [host for host in status.hosts if host.answered]
