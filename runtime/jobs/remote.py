"""Runs on Ray: carried out by a named actor, reached by any process of the cluster."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import ray
from ray.exceptions import (
    GetTimeoutError,
    RayActorError,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)

from runtime.engine.cluster import RayHosts, cause_of
from runtime.engine.named import find_supervisor, runs_going_on, start_supervisor
from runtime.engine.results import Who
from runtime.errors import (
    ConfigError,
    HostDied,
    LucentError,
    RunConflict,
    RunMissing,
    RunSilent,
)
from runtime.jobs.config import RunConfig
from runtime.jobs.connection import AUTO, connected, settle_ray
from runtime.jobs.control import RunControl, Status
from runtime.jobs.execution import Job, Outcome, execute
from runtime.jobs.proposal import Proposal, Question, propose
from runtime.jobs.quarantine import not_parked
from runtime.jobs.rolling import Begun

RESTARTS = 10
"""So often a supervisor that dies is started again, before its run ends."""

ANSWER_SECONDS = 10.0
"""How long a supervisor may take to answer a question."""

LOAD_SECONDS = 60.0
"""How long strategies may take to be found and loaded."""

POLL_SECONDS = 0.2

Follow = Callable[[Callable[[], bool], Callable[[], None], Callable[[], None]], None]
"""Waits for an end: told how to see it, how to show what goes on, and how to stop it."""


class RemoteRun:
    """A run that goes on in a supervisor actor.

    Methods raise `RunMissing` once it is gone, and `RunSilent` if it does not answer in time.
    """

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

    def upgrade(self, config: RunConfig) -> Begun:
        """Let the run be upgraded while it goes on.

        Waits until the strategies were found; `status` tells when they have taken over. Raises
        what is wrong with the config, and `RunConflict` for what an upgrade cannot change.
        """
        answer: Begun | LucentError = self._ask(
            "run", partial(_upgrade, config), seconds=LOAD_SECONDS + ANSWER_SECONDS
        )
        if isinstance(answer, LucentError):
            raise answer
        return answer

    def withdraw(self) -> None:
        """Give up the upgrade under way, if it has not been made yet; `status` tells."""
        self._ask("withdraw")

    def release(self, those: Sequence[Who], *, drop: bool = False) -> None:
        """Let aggregates in quarantine go on; `drop`: each without the event it was parked at.

        Raises `RunMissing` if one is not in quarantine; then none does.
        """
        parked = [one for held in self.status().parked.values() for one in held]
        for who in those:
            if who not in parked:
                raise not_parked(who, sorted(parked))
        for who in those:
            self._ask("release", who, drop)

    def _ask(self, what: str, *arguments: Any, seconds: float = ANSWER_SECONDS) -> Any:
        try:
            return ray.get(getattr(self._actor, what).remote(*arguments), timeout=seconds)
        except RayActorError:
            raise RunMissing(f"run {self.run!r} has ended") from None
        except GetTimeoutError:
            raise RunSilent(
                f"run {self.run!r} did not answer within {seconds:g} s: it may be starting"
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
    with ray_session(job.config) as place:
        progress(Status("starting the supervisor", address=place))
        for life in range(RESTARTS + 1):
            try:
                return _live(replace(job, again=life > 0), follow, progress)
            except RayError as error:
                if life == RESTARTS:
                    raise HostDied(
                        f"the supervisor of run {job.config.run.name!r} died {life + 1} times:"
                        f" {error}; run the same command to resume"
                    ) from None
                died = f"the supervisor died, {life + 1} of at most {RESTARTS} times"
                note = f"{died}, and is started again: {cause_of(error)}"
                progress(Status("starting the supervisor", notes=(note,)))
    raise AssertionError("the loop returns or raises")


def _live(job: Job, follow: Follow, progress: Callable[[Status], None]) -> Outcome:
    """One life of a run's supervisor."""
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
    except RunSilent:
        return True
    except RunMissing:
        return False
    return True


def _show(remote: RemoteRun, progress: Callable[[Status], None]) -> None:
    try:
        progress(remote.status())
    except RunMissing:
        return


def _upgrade(config: RunConfig, control: RunControl) -> Begun:
    """Called in the supervisor's process, which has imported the modules as they were."""
    return control.upgrade(config, _resolved)


def _resolved(question: Question) -> Proposal:
    """The answer of a process that ends with it; `ConfigError` if the strategies end it."""
    run = question.config.run.name
    once: Any = ray.remote(num_cpus=0, max_calls=1, max_retries=1)
    task = once(_answer).remote(question)
    try:
        answer: Proposal | LucentError = ray.get(task, timeout=LOAD_SECONDS)
    except GetTimeoutError:
        ray.cancel(task, force=True)
        raise ConfigError(
            f"the strategies of run {run!r} were not loaded within {LOAD_SECONDS:g} s"
        ) from None
    except WorkerCrashedError:
        raise ConfigError(
            f"the process that was to load the strategies of run {run!r} died of it"
        ) from None
    if isinstance(answer, LucentError):
        raise answer
    return answer


def _answer(question: Question) -> Proposal | LucentError:
    try:
        return propose(question)
    except LucentError as error:
        return error


def _execute(job: Job, control: RunControl) -> Outcome:
    return execute(job, RayHosts, control)


@contextmanager
def ray_session(config: RunConfig) -> Iterator[str]:
    """A Ray that is there: the caller's own, the one at `address`, or one started for this run.

    Gives its host:port. One of its own has room for all hosts that the run may come to have,
    and for as many that take over from them in an upgrade.
    Raises `ConfigError` or `RunMissing` if it cannot be reached.
    """
    settle_ray()
    hosts = config.hosts
    if ray.is_initialized() or hosts.address is not None:
        with connected(hosts.address or AUTO) as place:
            yield place
        return
    most = hosts.count if config.autoscale is None else max(hosts.count, config.autoscale.most)
    try:
        ray.init(
            num_cpus=2 * (most + hosts.spares),
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"cannot start Ray: {error}") from None
    try:
        yield str(ray.get_runtime_context().gcs_address)
    finally:
        ray.shutdown()
