"""`lucent store`: the store itself, beside the runs that write to it."""

from __future__ import annotations

import typer

from runtime.cli import archiving, serving, upkeep
from runtime.cli.users import users

store = typer.Typer(
    name="store",
    help="The event store: serve it, say to whom, and take care of it.",
    no_args_is_help=True,
)
store.command("serve")(serving.serve_)
store.command()(upkeep.check)
store.command()(upkeep.backup)
store.command()(upkeep.restore)
store.command()(upkeep.scavenge)
store.command()(archiving.export)
store.command("import")(archiving.import_)
store.add_typer(users)
