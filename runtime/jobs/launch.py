"""Launching a run: in this process, or on Ray."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

from runtime.engine.local import LocalHosts
from runtime.engine.threads import RUN_THREAD
from runtime.errors import ConfigError
from runtime.identity import Keyring, SigningKey, read_passphrase
from runtime.jobs.config import RunConfig, load_config, parse_config
from runtime.jobs.control import RunControl, Status
from runtime.jobs.execution import Job, Outcome, execute
from runtime.jobs.journal import is_complete
from runtime.jobs.planning import appoint

JOURNAL_KEY = "supervisor"
"""The name of the key that signs a run's own stream."""

Progress = Callable[[Status], None]
_POLL = 0.2


def prepare(config: RunConfig, *, upgrade: bool = False) -> Job:
    """Resolve the agents of a config and open their keys; raises `LucentError` leaves.

    `upgrade`: agents of a run that was stopped may decide with another strategy from there.
    """
    names = [one.agent.name for one in appoint(config)]
    if JOURNAL_KEY in names:
        raise ConfigError(f"no agent may be named {JOURNAL_KEY!r}: it is the run's own key")
    if config.keys.demo:
        keys = {name: SigningKey.demo(name) for name in [*names, JOURNAL_KEY]}
    else:
        keys = _open_keys(config, [*names, JOURNAL_KEY])
    return Job(config, {name: keys[name] for name in names}, keys[JOURNAL_KEY], upgrade=upgrade)


def _open_keys(config: RunConfig, names: list[str]) -> dict[str, SigningKey]:
    ring = Keyring(config.base / config.keys.directory)
    file = config.keys.passphrase_file
    passphrase = read_passphrase(None if file is None else config.base / file)
    return {name: ring.load(name, passphrase) for name in names}


def run_job(job: Job, progress: Progress = lambda status: None) -> Outcome:
    """Carry a job out in the shell its config names; waits until it has ended.

    A run that the store holds as complete is only looked at, which takes no Ray.
    `progress` is called a few times a second. On KeyboardInterrupt the run is stopped and
    its outcome, not `completed`, returned; a second one ends it at once.
    """
    config = job.config
    if config.hosts.shell == "local" or is_complete(config.store_place, config.run.name):
        return _run_local(job, progress)
    from runtime.jobs.remote import run_on_ray  # noqa: PLC0415 (Ray takes a second to import)

    return run_on_ray(job, _follow, progress)


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

    Thread(target=work, name=RUN_THREAD, daemon=True).start()
    try:
        _follow(lambda: done.wait(_POLL), lambda: progress(control.status()), control.stop)
    except BaseException:
        control.stop()
        raise
    ended = result[0]
    if isinstance(ended, BaseException):
        raise ended
    return ended


def _follow(ended: Callable[[], bool], tell: Callable[[], None], stop: Callable[[], None]) -> None:
    """Wait for the end of a run; the first KeyboardInterrupt stops it in an orderly way."""
    stopped = False
    while True:
        try:
            over = ended()
            tell()
            if over:
                return
        except KeyboardInterrupt:
            if stopped:
                raise
            stopped = True
            stop()
