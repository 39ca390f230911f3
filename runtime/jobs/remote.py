"""Runs on Ray: carried out by a named actor, reached by any process of the cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError

from runtime.engine.cluster import RayHosts
from runtime.engine.named import find_supervisor, runs_going_on, start_supervisor
from runtime.errors import ConfigError, HostDied, LucentError, RunConflict, RunMissing
from runtime.jobs.config import HostsConfig
from runtime.jobs.control import RunControl, Status
from runtime.jobs.execution import Job, Outcome, execute

RESTARTS = 10
"""So often a supervisor that dies is started again, before its run ends."""

ANSWER_SECONDS = 10.0
"""How long a supervisor may take to answer a question."""

POLL_SECONDS = 0.2

Follow = Callable[[Callable[[], bool], Callable[[], None], Callable[[], None]], None]
"""Waits for an end: told how to see it, how to show what goes on, and how to stop it."""


class RemoteRun:
    """A run that goes on in a supervisor actor; methods raise `RunMissing` once it is gone."""

    def __init__(self, run: str, actor: Any) -> None:
        self.run = run
        self._actor = actor

    def status(self) -> Status:
        """How the run stands."""
        status: Status = self._ask("status")
        return status

    def drain(self) -> None:
        """Take nothing more in until `resume`; what is under way is finished."""
        self._ask("drain")

    def resume(self) -> None:
        """Take in again."""
        self._ask("resume")

    def stop(self) -> None:
        """Take nothing more in, finish what is under way, and end."""
        self._ask("stop")

    def scale(self, hosts: int) -> None:
        """Ask for another number of hosts."""
        self._ask("scale", hosts)

    def _ask(self, what: str, *arguments: Any) -> Any:
        try:
            return ray.get(getattr(self._actor, what).remote(*arguments), timeout=ANSWER_SECONDS)
        except RayActorError:
            raise RunMissing(f"run {self.run!r} has ended") from None
        except GetTimeoutError:
            raise RunMissing(
                f"run {self.run!r} did not answer within {ANSWER_SECONDS:g} s: it may be starting"
                " on a busy machine; ask again"
            ) from None


def find_run(run: str) -> RemoteRun:
    """The run of that name on the cluster this process is connected to; else `RunMissing`."""
    try:
        return RemoteRun(run, find_supervisor(run))
    except ValueError:
        going_on = ", ".join(runs_going_on()) or "none"
        raise RunMissing(
            f"run {run!r} is not going on on this cluster (going on: {going_on});"
            " start it with 'lucent run CONFIG'"
        ) from None


def run_on_ray(job: Job, follow: Follow, progress: Callable[[Status], None]) -> Outcome:
    """Carry a job out on Ray and wait for its end.

    A supervisor that dies is started again, and goes on where the store says. Raises
    `HostDied` when it dies for the eleventh time, `RunConflict` if the run goes on already.
    """
    address = job.config.hosts.address
    progress(Status("starting Ray" if address is None else f"joining Ray at {address}"))
    with ray_session(job.config.hosts):
        for life in range(RESTARTS + 1):
            try:
                return _live(job, follow, progress)
            except RayError as error:
                if life == RESTARTS:
                    raise HostDied(
                        f"the supervisor of run {job.config.run.name!r} died {life + 1} times:"
                        f" {error}; run the same command to resume"
                    ) from None
                progress(Status("the supervisor died: starting it again"))
    raise AssertionError("the loop returns or raises")


def _live(job: Job, follow: Follow, progress: Callable[[Status], None]) -> Outcome:
    """One life of a run's supervisor."""
    progress(Status("starting the supervisor"))
    actor = _started(job.config.run.name)
    remote = RemoteRun(job.config.run.name, actor)
    reference = actor.run.remote(partial(_execute, job))
    try:
        follow(
            lambda: bool(ray.wait([reference], timeout=POLL_SECONDS)[0]),
            lambda: _show(remote, progress),
            remote.stop,
        )
        ended = ray.get(reference)
    except RayTaskError as error:
        raise error.cause from None
    finally:
        ray.kill(actor)
    if isinstance(ended, LucentError):
        raise ended
    outcome: Outcome = ended
    return outcome


def _started(run: str) -> Any:
    """A supervisor for `run`; waits until the name of one that died is free again."""
    until = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            return start_supervisor(run, RunControl())
        except ValueError as error:
            if _lives(run):
                raise RunConflict(
                    f"run {run!r} is going on on this cluster already: see 'lucent status {run}'"
                ) from None
            if time.monotonic() > until:
                raise RunConflict(
                    f"the name of run {run!r} is not free on this cluster: {error}"
                ) from None
            time.sleep(POLL_SECONDS)


def _lives(run: str) -> bool:
    try:
        find_run(run).status()
    except RunMissing:
        return False
    return True


def _show(remote: RemoteRun, progress: Callable[[Status], None]) -> None:
    try:
        progress(remote.status())
    except RunMissing:
        return


def _execute(job: Job, control: RunControl) -> Outcome:
    return execute(job, RayHosts, control)


@contextmanager
def ray_session(hosts: HostsConfig) -> Iterator[None]:
    """A Ray that is there: the caller's own, the one at `address`, or one started for this run.

    Raises `ConfigError` if it cannot be reached.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if hosts.address is None:
        wanted = hosts.count + hosts.spares + 1
        options |= {"num_cpus": wanted, "include_dashboard": False}
    else:
        options |= {"address": hosts.address}
    try:
        ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"cannot start or reach Ray: {error}") from None
    try:
        yield
    finally:
        ray.shutdown()
