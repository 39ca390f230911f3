"""`lucent submit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runtime.cli.screen import printable, say
from runtime.errors import ConfigError, HostDied, RunInterrupted
from runtime.jobs.parcel import gather
from runtime.jobs.submission import Command, JobsOffice

NOT_FOUND = 127
"""The exit code of a shell that does not find a command."""


def submit(
    config: Annotated[Path, typer.Argument(help="The config of the run, in TOML.")],
    address: Annotated[str, typer.Option(help="The cluster's dashboard: http://HEAD:8265.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end.")] = False,  # noqa: FBT002
    store: Annotated[str | None, typer.Option(help="Where its log goes, on the head.")] = None,
    hosts: Annotated[int | None, typer.Option(min=1, max=4096, help="How many hosts.")] = None,
    program: Annotated[
        str, typer.Option(help="How lucent is called on the head, if not on its PATH.")
    ] = "lucent",
) -> None:
    """Hand a run to a Ray cluster; hand it in again, once it has ended, to resume it.

    Sent are the config, the feeds with relative paths, and the modules beside it; never keys.
    With --wait it shows what the run writes, and has its exit code; Ctrl-C leaves it going on.
    """
    parcel = gather(config, store)
    office = JobsOffice(address)
    job = office.submit(parcel, Command(program, store, hosts))
    say(f"run {parcel.run!r} is handed in as {job}: {', '.join(sorted(parcel.files))}")
    say(f"It takes from the cluster's head: {', '.join(parcel.there)}")
    if wait:
        _await(office, job, program)
        return
    say(f"\nGo on with\n  ray job logs {job} --follow --address {address}")
    say(f"and on the cluster's head with\n  lucent status {parcel.run}\n  lucent stop {parcel.run}")


def _await(office: JobsOffice, job: str, program: str) -> None:
    """Show what a job writes until its end; raises unless it succeeded."""
    say("")
    try:
        end = office.await_end(job, lambda line: say(printable(line.expandtabs())))
    except KeyboardInterrupt:
        say(f"left; {job} goes on")
        raise
    if end.code == NOT_FOUND:
        raise ConfigError(
            f"the cluster's head has no command {program!r}: say with --program where it is"
        )
    if end.code:
        raise typer.Exit(end.code)
    if end.status == "STOPPED":
        raise RunInterrupted(f"{job} was stopped: hand the run in again to resume it")
    if end.status != "SUCCEEDED":
        raise HostDied(f"{job} failed: {end.message}; hand the run in again to resume it")
