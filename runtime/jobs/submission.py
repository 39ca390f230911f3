"""Handing a run to a Ray cluster as one of its jobs (Ray Jobs)."""

from __future__ import annotations

import logging
import os
import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from runtime.errors import ConfigError, RunConflict
from runtime.jobs.connection import answers
from runtime.jobs.parcel import Parcel, pack

DASHBOARD_PORT = 8265
POLL_SECONDS = 1.0

_OVERRIDES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
_LOGGERS = ("ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk")


@dataclass(frozen=True, slots=True)
class Command:
    """The command a job is: `program` is how `lucent` is called on the cluster's head."""

    program: str = "lucent"
    store: str | None = None
    hosts: int | None = None

    def line(self, config: str) -> str:
        """The shell's line that runs `config`, on all of the cluster."""
        parts = ["run", config, "--shell", "ray", "--address", "auto"]
        if self.store is not None:
            parts += ["--store", self.store]
        if self.hosts is not None:
            parts += ["--hosts", str(self.hosts)]
        return f"{self.program} {shlex.join(parts)}"


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a job ended: Ray's status (SUCCEEDED, FAILED, STOPPED), why, its exit code if known."""

    status: str
    message: str
    code: int | None


class JobsOffice:
    """Ray Jobs of the cluster whose dashboard is at `address` (http://HEAD:8265).

    Raises `ConfigError` if nobody answers there, or a token is wanted, or the job client is
    not installed.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._client = _client(address)

    def submit(self, parcel: Parcel, command: Command) -> str:
        """Send a run's files and start it; returns the name of the job, `lucent-RUN-NUMBER`.

        Raises `RunConflict` while a job of that run has not ended, `ConfigError` if it is too
        large or Ray refuses it.
        """
        job = f"lucent-{parcel.run}-{self._next(parcel.run)}"
        with TemporaryDirectory(prefix="lucent-") as folder:
            archive = Path(folder) / "parcel.zip"
            pack(parcel, archive)
            with _faults(self.address):
                self._start(job, command.line(parcel.config), archive)
        return job

    def await_end(self, job: str, write: Callable[[str], None]) -> JobEnd:
        """Wait for the end of a job; hands each line on that it writes meanwhile."""
        written = 0
        while True:
            with _faults(self.address):
                details = self._client.get_job_info(job)
                lines = self._client.get_job_logs(job).splitlines(keepends=True)
            ended = details.status.is_terminal()
            whole = lines if ended else [line for line in lines if line.endswith("\n")]
            for line in whole[written:]:
                write(line.rstrip("\n"))
            written = len(whole)
            if ended:
                return JobEnd(details.status.value, details.message or "", details.driver_exit_code)
            time.sleep(POLL_SECONDS)

    def _start(self, job: str, line: str, archive: Path) -> None:
        try:
            self._client.submit_job(
                entrypoint=line, submission_id=job, runtime_env={"working_dir": str(archive)}
            )
        except RuntimeError as error:
            if "already exists" in str(error):
                raise RunConflict(f"{job} was submitted by someone else just now") from None
            raise

    def _next(self, run: str) -> int:
        """The number of the next job of a run, all of whose jobs must have ended."""
        last = 0
        with _faults(self.address):
            listed = self._client.list_jobs()
        for details in listed:
            found = re.fullmatch(r"lucent-(.+)-(\d+)", details.submission_id or "")
            if found is None or found[1] != run:
                continue
            if not details.status.is_terminal():
                raise RunConflict(
                    f"run {run!r} goes on already, as job {details.submission_id}"
                    f" ({details.status}): stop it on the cluster with 'lucent stop {run}'"
                )
            last = max(last, int(found[2]))
        return last + 1


def _client(address: str) -> Any:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"--address {address!r} is not like http://HEAD:{DASHBOARD_PORT}")
    if find_spec("aiohttp") is None:
        wanted = f"ray[default]=={version('ray')}"
        raise ConfigError(f"Ray's job client is not installed: pip install '{wanted}'")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if not answers(f"{parts.hostname}:{port}"):
        raise ConfigError(f"nobody answers at {address}: check --address and the dashboard's port")
    from ray.job_submission import JobSubmissionClient  # noqa: PLC0415 (takes a second)

    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    with _faults(address), _as_given():
        return JobSubmissionClient(address)


@contextmanager
def _as_given() -> Iterator[None]:
    """Let no environment variable replace the address, as Ray would."""
    kept = {name: os.environ.pop(name) for name in _OVERRIDES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


@contextmanager
def _faults(address: str) -> Iterator[None]:
    from ray.exceptions import AuthenticationError  # noqa: PLC0415

    try:
        yield
    except AuthenticationError:
        raise ConfigError(
            f"the Ray at {address} wants a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or"
            " RAY_AUTH_TOKEN_PATH"
        ) from None
    except (OSError, RuntimeError, ValueError) as error:
        told = next((line for line in reversed(str(error).splitlines()) if line.strip()), "")
        raise ConfigError(f"the Ray at {address} refused: {told or type(error).__name__}") from None
