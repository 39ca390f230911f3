"""All commands of `lucent`, as one application."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from runtime.cli import (
    authoring,
    inspecting,
    keys,
    quarantine,
    running,
    steering,
    stores,
    submitting,
    upgrading,
)
from runtime.cli.screen import write_line

app = typer.Typer(
    name="lucent",
    help="Same inputs, same log: agents on Ray that sign what they decide.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(running.demo)
app.command()(running.run)
app.command()(upgrading.upgrade)
app.command()(upgrading.withdraw)
app.command()(submitting.submit)
app.command()(steering.status)
app.command()(steering.drain)
app.command()(steering.resume)
app.command()(steering.stop)
app.command()(steering.scale)
app.command()(inspecting.decisions)
app.command()(inspecting.explain)
app.command()(inspecting.verify)
app.command()(authoring.strategies)
app.command()(authoring.agents)
app.command()(authoring.schemas)
app.add_typer(authoring.new)
app.add_typer(quarantine.quarantine)
app.add_typer(keys.keys)
app.add_typer(stores.store)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 (an option's callback)
    if wanted:
        write_line(f"lucent {version('lucent')}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
]


@app.callback()
def options(version: Version = False) -> None:  # noqa: FBT002 (acts in its callback)
    """Same inputs, same log: agents on Ray that sign what they decide."""
