"""The `lucent` command: its entry point, and how errors are told."""

from __future__ import annotations

import sys

import typer

from runtime.cli import authoring, inspecting, keys, running
from runtime.cli.screen import errors
from runtime.errors import LucentError

app = typer.Typer(
    name="lucent",
    help="Same inputs, same log: agents on Ray that sign what they decide.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(running.demo)
app.command()(running.run)
app.command()(inspecting.decisions)
app.command()(inspecting.explain)
app.command()(inspecting.verify)
app.command()(authoring.strategies)
app.command()(authoring.agents)
app.command()(authoring.schemas)
app.add_typer(authoring.new)
app.add_typer(keys.keys)


def main() -> None:
    """Run the command; a `LucentError` is told in one line and ends it with exit code 2."""
    try:
        app()
    except LucentError as error:
        errors.print(f"[red]{type(error).__name__}[/red]: ", end="")
        errors.print(str(error), markup=False, highlight=False)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
