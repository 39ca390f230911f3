"""`lucent store export` and `import`: the log as a file for other programs, and back."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from runtime.cli.copying import NewStore, file_at, say_copy, working
from runtime.store import open_store
from runtime.store import upkeep as care


def export(
    store: Annotated[str, typer.Argument(help="The store: a file, or an esdb:// address.")],
    file: Annotated[str, typer.Argument(help="The file to make: .ndjson or .parquet.")],
) -> None:
    """Write the whole log to a file: NDJSON, an event a line, or Parquet.

    Importing it makes the same log again, byte for byte.
    """
    target = file_at(file)
    with closing(open_store(store)) as opened, working("exporting") as told:
        say_copy("exported", care.export(opened, target, told))


def import_(
    file: Annotated[str, typer.Argument(help="What was exported: .ndjson or .parquet.")],
    store: NewStore,
) -> None:
    """Make a new store of an exported log; positions, numbers and times stay as they were."""
    with working("importing") as told:
        say_copy("imported", care.ingest(file_at(file), file_at(store), told))
