"""`lucent run` and `lucent demo`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated, Literal

import typer

from runtime.cli.main import INTERRUPTED, PARKED
from runtime.cli.progress import followed
from runtime.cli.screen import say
from runtime.cli.summary import print_summary
from runtime.jobs.config import RunConfig, load_config
from runtime.jobs.launch import prepare
from runtime.store import is_address, typed

DEMO = "package:agents.samples/aave-v3-daily/demo.toml"
"""The bundled config: Aave v3, all reserves of 13 networks, daily."""

Store = Annotated[str | None, typer.Option(help="Where the log goes, instead of the config's.")]
Hosts = Annotated[int | None, typer.Option(min=1, help="How many hosts, instead of the config's.")]
Shell = Annotated[
    Literal["ray", "local"] | None, typer.Option(help="Ray actors, or all in this process.")
]
Address = Annotated[
    str | None, typer.Option(help="HOST:PORT of a Ray to join, or auto: the one here.")
]

Replay = Annotated[
    str | None, typer.Option(help="A store: take in and switch strategies as its run did.")
]


def run(
    config: Annotated[Path, typer.Argument(help="The config of the run, in TOML.")],
    store: Store = None,
    hosts: Hosts = None,
    shell: Shell = None,
    address: Address = None,
    replay: Replay = None,
) -> None:
    """Run a config to the end of its input; run it again to resume.

    Ctrl-C or SIGTERM drains: what was taken in is decided and stored, and the exit code is 130.
    It is 3 if the input came to its end, but aggregates are in quarantine.
    """
    loaded = load_config(config).changed("hosts", address=address)
    command = f"lucent run {typed(config)}{option('address', address)}"
    if replay is not None:
        loaded = loaded.changed("run", replay=_absolute(replay))
        command += option("replay", typed(replay))
    run_loaded(loaded, store, hosts, shell, command)


def demo(store: Store = None, hosts: Hosts = None, shell: Shell = None) -> None:
    """Run three kinds of agents over a year of real lending rates, bundled with Lucent."""
    run_loaded(
        load_config(DEMO).changed("store", path=_absolute("aave-v3-daily.db")),
        store,
        hosts,
        shell,
        "lucent demo",
    )


def _absolute(name: str | Path) -> str:
    """A path as seen from anywhere; an address as it is."""
    return str(name) if is_address(name) else str(Path(name).absolute())


def option(name: str, value: object | None) -> str:
    """An option as it is typed behind a command; nothing if it was not given.

    >>> option("hosts", 4), option("shell", None)
    (' --hosts 4', '')
    """
    return "" if value is None else f" --{name} {value}"


def run_loaded(
    config: RunConfig,
    store: str | None,
    hosts: int | None,
    shell: str | None,
    command: str,
    *,
    upgrade: bool = False,
) -> None:
    """Carry out a config in which options replace settings; `command` goes on with it."""
    if store is not None:
        config = config.changed("store", path=_absolute(store))
        command += option("store", typed(store))
    command += option("hosts", hosts) + option("shell", shell)
    config = config.changed("hosts", count=hosts, shell=shell)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    job = prepare(config, upgrade=upgrade)
    outcome = followed(job)
    print_summary(outcome, config)
    if outcome.parked:
        count = f"{outcome.parked:,} aggregate{'' if outcome.parked == 1 else 's'}"
        listed = f"lucent quarantine list {typed(outcome.store)}"
        say((f"\n{count} in quarantine: ", "red"), listed)
    if outcome.stopped:
        other = ", with the config of its last upgrade if that is another one"
        how = other if outcome.upgraded else ""
        say(f"\nStopped, and drained. To go on where it stopped{how}:\n  {command}")
        raise typer.Exit(INTERRUPTED)
    if outcome.parked:
        raise typer.Exit(PARKED)
