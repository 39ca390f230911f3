"""Launching a run: in this process, or on Ray."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

from runtime.engine.local import LocalHosts
from runtime.errors import ConfigError, HostDied, LucentError, RunConflict
from runtime.identity import Keyring, SigningKey, read_passphrase
from runtime.jobs.config import RunConfig, load_config, parse_config
from runtime.jobs.execution import Job, Outcome, RunControl, Status, execute
from runtime.jobs.journal import is_complete
from runtime.jobs.planning import appoint

JOURNAL_KEY = "supervisor"
"""The name of the key that signs a run's own stream."""

Progress = Callable[[Status], None]
_POLL = 0.2


def prepare(config: RunConfig) -> Job:
    """Resolve the agents of a config and open their keys; raises `LucentError` leaves."""
    names = [one.agent.name for one in appoint(config)]
    if JOURNAL_KEY in names:
        raise ConfigError(f"no agent may be named {JOURNAL_KEY!r}: it is the run's own key")
    if config.keys.demo:
        keys = {name: SigningKey.demo(name) for name in [*names, JOURNAL_KEY]}
    else:
        keys = _open_keys(config, [*names, JOURNAL_KEY])
    return Job(config, {name: keys[name] for name in names}, keys[JOURNAL_KEY])


def _open_keys(config: RunConfig, names: list[str]) -> dict[str, SigningKey]:
    ring = Keyring(config.base / config.keys.directory)
    file = config.keys.passphrase_file
    passphrase = read_passphrase(None if file is None else config.base / file)
    return {name: ring.load(name, passphrase) for name in names}


def run_job(job: Job, progress: Progress = lambda status: None) -> Outcome:
    """Carry a job out in the shell its config names; waits until it has ended.

    A run that the store holds as complete is only looked at, which takes no Ray.
    `progress` is called a few times a second. On KeyboardInterrupt the run is drained and
    its outcome, not `completed`, returned; a second one ends it at once.
    """
    config = job.config
    if config.hosts.shell == "local" or is_complete(config.store_path, config.run.name):
        return _run_local(job, progress)
    return _run_on_ray(job, progress)


def run(config: str | Path | dict[str, Any] | RunConfig, **hosts: Any) -> Outcome:
    """Run a config (a TOML file, a mapping, or one loaded before) and wait for its end.

    Keyword arguments replace settings of `[hosts]`, as in `run("rates.toml", shell="local")`.
    Raises `LucentError` leaves. The decisions are read with `decisions(outcome.store)`.
    """
    if isinstance(config, dict):
        config = parse_config(config, Path.cwd())
    elif not isinstance(config, RunConfig):
        config = load_config(config)
    return run_job(prepare(config.changed("hosts", **hosts)))


def _run_local(job: Job, progress: Progress) -> Outcome:
    control = RunControl()
    result: list[Outcome | BaseException] = []
    done = Event()

    def work() -> None:
        try:
            result.append(execute(job, LocalHosts, control))
        except BaseException as error:  # noqa: BLE001 (handed to the caller)
            result.append(error)
        finally:
            done.set()

    Thread(target=work, name="lucent-run", daemon=True).start()
    try:
        _follow(
            done.is_set,
            lambda: progress(control.status()),
            control.drain,
            lambda: done.wait(_POLL),
        )
    except BaseException:
        control.drain()
        raise
    ended = result[0]
    if isinstance(ended, BaseException):
        raise ended
    return ended


def _follow(
    ended: Callable[[], bool],
    tell: Callable[[], None],
    drain: Callable[[], None],
    wait: Callable[[], Any],
) -> None:
    """Wait for the end of a run; the first KeyboardInterrupt drains it."""
    drained = False
    while True:
        try:
            if ended():
                return
            wait()
            tell()
        except KeyboardInterrupt:
            if drained:
                raise
            drained = True
            drain()


def _run_on_ray(job: Job, progress: Progress) -> Outcome:
    import ray  # noqa: PLC0415 (Ray takes a second to import; the local shell needs none)
    from ray.exceptions import RayError, RayTaskError  # noqa: PLC0415

    from runtime.engine.cluster import RayHosts, start_supervisor  # noqa: PLC0415

    address = job.config.hosts.address
    progress(Status("starting Ray" if address is None else f"joining Ray at {address}"))
    with _ray_session(job.config):
        progress(Status("starting the supervisor"))
        try:
            supervisor = start_supervisor(job.config.run.name, RunControl())
        except ValueError as error:
            raise RunConflict(
                f"run {job.config.run.name!r} is going on on this cluster already: {error}"
            ) from None
        reference = supervisor.run.remote(partial(_execute_on_ray, job, RayHosts))
        try:
            _follow(
                lambda: bool(ray.wait([reference], timeout=0)[0]),
                lambda: progress(ray.get(supervisor.status.remote())),
                lambda: ray.get(supervisor.drain.remote()),
                lambda: ray.wait([reference], timeout=_POLL),
            )
            ended = ray.get(reference)
        except RayTaskError as error:
            raise error.cause from None
        except RayError as error:
            raise HostDied(
                f"the supervisor died: {error}; run the same command to resume"
            ) from None
        finally:
            ray.kill(supervisor)
    if isinstance(ended, LucentError):
        raise ended
    outcome: Outcome = ended
    return outcome


def _execute_on_ray(job: Job, hosts: Any, control: RunControl) -> Outcome:
    return execute(job, hosts, control)


@contextmanager
def _ray_session(config: RunConfig) -> Any:
    """A Ray that is there: the caller's own, the one at `address`, or one started for this run."""
    import ray  # noqa: PLC0415

    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if config.hosts.address is None:
        options |= {"num_cpus": config.hosts.count + 1, "include_dashboard": False}
    else:
        options |= {"address": config.hosts.address}
    try:
        ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(f"cannot start or reach Ray: {error}") from None
    try:
        yield
    finally:
        ray.shutdown()
