"""`lucent upgrade`: a run goes on with other strategies, after a stop or without."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.cli.running import Address as Joined
from runtime.cli.running import Hosts, Shell, Store, option, run_loaded
from runtime.cli.screen import remark, say
from runtime.cli.steering import Address, Run, reached
from runtime.engine.statistics import UpgradeStats
from runtime.errors import ConfigError, RunConflict, RunMissing, RunSilent
from runtime.jobs.config import RunConfig, load_config
from runtime.jobs.connection import AUTO
from runtime.store import typed

if TYPE_CHECKING:
    from runtime.jobs.remote import RemoteRun

_POLL_SECONDS = 0.2
_ENDED = ("done", "refused", "withdrawn")

Rolling = Annotated[
    bool, typer.Option("--rolling", help="Of a run that goes on, which is not stopped for it.")
]


def upgrade(
    config: Annotated[Path, typer.Argument(help="The config of the run, in TOML.")],
    store: Store = None,
    hosts: Hosts = None,
    shell: Shell = None,
    address: Joined = None,
    rolling: Rolling = False,  # noqa: FBT002 (an option)
) -> None:
    """Go on with a run with other strategies, versions or parameters.

    A run that was stopped is resumed with them. With --rolling, hosts that decide with them
    take over from those of a run that goes on. From which position on is recorded in the log;
    what was decided before stays as it is. Later, `lucent run` goes on with them.
    """
    loaded = load_config(config)
    if not rolling:
        loaded = loaded.changed("hosts", address=address)
        command = f"lucent run {typed(config)}{option('address', address)}"
        run_loaded(loaded, store, hosts, shell, command, upgrade=True)
        return
    if (store, hosts, shell) != (None, None, None):
        raise ConfigError("--rolling keeps the store, hosts and shell of the run: leave them out")
    _roll(loaded, address or loaded.hosts.address or AUTO)


def withdraw(run: Run, address: Address = AUTO) -> None:
    """Give up a rolling upgrade whose hosts have not taken over; the run goes on as before."""
    with reached(run, address) as (remote, _):
        stands = remote.status().upgrade
        if stands is None or stands.state in _ENDED:
            raise RunConflict(f"run {run!r} has no upgrade under way: see 'lucent status {run}'")
        remote.withdraw()
        if _settled(remote, stands.edition).state == "done":
            raise RunConflict(f"run {run!r} decides with it already: its hosts had taken over")
    say(f"run {run!r} goes on as before")


def _roll(config: RunConfig, address: str) -> None:
    """Ask for the upgrade and wait until its hosts have taken over; Ctrl-C leaves it going."""
    run = config.run.name
    with reached(run, address) as (remote, _):
        try:
            begun = remote.upgrade(config)
            say(f"run {run!r} goes on while hosts are started that are to take over")
            if begun.kept:
                sections = ", ".join(f"[{name}]" for name in begun.kept)
                say(f"{sections} of {config.run.name!r} stay as they are until it is started again")
            stands = _settled(remote, begun.edition)
        except KeyboardInterrupt:
            say(
                f"left; to see whether they take over: lucent status {run}; to give it up: lucent"
                f" withdraw {run}"
            )
            return
    if stands.state != "done":
        why = stands.why or "the upgrade was withdrawn"
        raise RunConflict(f"run {run!r} goes on as before: {why}")
    for note in begun.notes:
        remark(note, "yellow")
    places = ", ".join(f"{stage} from position {at:,}" for stage, at in stands.since.items())
    say(f"run {run!r} decides as this config says: {places}")


def _settled(remote: RemoteRun, edition: int) -> UpgradeStats:
    """How the upgrade ended; raises `RunMissing` if the run, or its supervisor, did before."""
    while True:
        try:
            stands = remote.status().upgrade
        except RunSilent:
            continue
        except RunMissing:
            raise RunMissing(
                f"run {remote.run!r} ended before they were seen to take over: if it goes on, as"
                f" 'lucent status {remote.run}' tells, ask again; else 'lucent upgrade CONFIG'"
                " goes on with it if it was stopped"
            ) from None
        if stands is not None and stands.edition >= edition and stands.state in _ENDED:
            return stands
        time.sleep(_POLL_SECONDS)
