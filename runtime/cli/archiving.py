"""`lucent store export` and `import`: the log as a file for other programs, and back."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from runtime.cli.copying import say_copy, working
from runtime.store import open_store
from runtime.store import upkeep as care


def export(
    store: Annotated[str, typer.Argument(help="The store: a file, or an esdb:// address.")],
    file: Annotated[Path, typer.Argument(help="The file to make: .ndjson or .parquet.")],
) -> None:
    """Write the whole log to a file: NDJSON, an event a line, or Parquet.

    Importing it makes the same log again, byte for byte.
    """
    with closing(open_store(store)) as opened, working("exporting") as told:
        say_copy("exported", care.export(opened, file, told))


def import_(
    file: Annotated[Path, typer.Argument(help="What was exported: .ndjson or .parquet.")],
    store: Annotated[Path, typer.Argument(help="The store to make, where there is none.")],
) -> None:
    """Make a new store of an exported log; positions, numbers and times stay as they were."""
    with working("importing") as told:
        say_copy("imported", care.ingest(file, store, told))
