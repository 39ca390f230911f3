"""`lucent status`, `drain`, `resume`, `stop` and `scale`: a run, from another process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.cli.screen import say, write_line
from runtime.cli.standing import as_json, print_runs, print_status
from runtime.cli.watching import follow, watch
from runtime.errors import ConfigError, RunSilent
from runtime.jobs.connection import AUTO, connected, cpus_there
from runtime.jobs.control import Status

if TYPE_CHECKING:
    from runtime.jobs.remote import RemoteRun

_STOP_SECONDS = 0.5

Run = Annotated[str, typer.Argument(help="The name of the run, as its config has it.")]
Address = Annotated[
    str, typer.Option(help="HOST:PORT of the run's Ray; auto: the one on this machine.")
]
Json = Annotated[bool, typer.Option("--json", help="As one JSON object.")]
Watch = Annotated[
    bool, typer.Option("--watch", help="Show it each second, until the run has ended.")
]


def status(
    run: Annotated[str | None, typer.Argument(help="A run; without it, all are listed.")] = None,
    address: Address = AUTO,
    json_: Json = False,  # noqa: FBT002 (an option)
    watch_: Watch = False,  # noqa: FBT002
) -> None:
    """Show how a run stands: its phase, its hosts, and each stage in figures.

    With --watch, Ctrl-C leaves the run as it is; --json then writes an object a line.
    """
    if run is None:
        if watch_:
            raise ConfigError("--watch needs the name of a run: 'lucent status' lists them")
        _list(address, json_=json_)
    elif watch_:
        watch(run, address, json_=json_)
    else:
        with reached(run, address) as (remote, place):
            stands = remote.status()
        if json_:
            write_line(json.dumps(as_json(run, place, stands), indent=2))
        else:
            print_status(run, place, stands)


def drain(run: Run, address: Address = AUTO) -> None:
    """Let a run take nothing more in; what is under way is finished, hosts stay."""
    with reached(run, address) as (remote, _):
        remote.drain()
    say(f"run {run!r} takes nothing more in; to take in again: lucent resume {run}")


def resume(run: Run, address: Address = AUTO) -> None:
    """Let a drained run take in again."""
    with reached(run, address) as (remote, _):
        remote.resume()
    say(f"run {run!r} takes in again")


def stop(
    run: Run,
    address: Address = AUTO,
    wait: Annotated[bool, typer.Option(help="Wait until the run has ended.")] = True,  # noqa: FBT002
) -> None:
    """End a run in order: finish what is under way, take a snapshot. It can be resumed."""
    if wait:
        follow(run, address, _ask_to_stop, _STOP_SECONDS)
        say(f"run {run!r} has ended; to go on where it stopped: lucent run CONFIG")
        return
    with reached(run, address) as (remote, _):
        remote.stop()
    say(f"run {run!r} finishes what is under way and ends")


def scale(
    run: Run,
    hosts: Annotated[int, typer.Option(min=1, max=4096, help="How many hosts it is to have.")],
    address: Address = AUTO,
) -> None:
    """Give a run another number of hosts while it goes on; what it decides stays the same."""
    with reached(run, address) as (remote, _):
        remote.scale(hosts)
        cpus = cpus_there()
    count = f"{hosts:,} host{'' if hosts == 1 else 's'}"
    say(f"run {run!r} is to have {count}; to see them come: lucent status {run}")
    if cpus < hosts:
        say(f"Each takes a CPU, and this Ray has {cpus:,} now: the others wait until nodes come.")


@contextmanager
def reached(run: str, address: str) -> Iterator[tuple[RemoteRun, str]]:
    """The run, and the host:port of its Ray."""
    with connected(address) as place:
        from runtime.jobs.remote import find_run  # noqa: PLC0415 (imports Ray)

        yield find_run(run), place


def _ask_to_stop(remote: RemoteRun, _place: str, stands: Status) -> None:
    if stands.phase != "stopping":
        remote.stop()


def _list(address: str, *, json_: bool) -> None:
    with connected(address) as place:
        from runtime.engine.named import runs_going_on  # noqa: PLC0415 (imports Ray)
        from runtime.jobs.remote import find_run  # noqa: PLC0415

        found = [find_run(run) for run in runs_going_on()]
        runs = {remote.run: _asked(remote) for remote in found}
    if json_:
        listed = [as_json(run, place, stands) for run, stands in runs.items()]
        write_line(json.dumps({"address": place, "runs": listed}, indent=2))
    else:
        print_runs(place, runs)


def _asked(remote: RemoteRun) -> Status:
    try:
        return remote.status()
    except RunSilent:
        return Status("not answering")
