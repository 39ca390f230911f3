"""What the commands that copy a store tell meanwhile, and in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from runtime.cli.screen import errors, printable, say
from runtime.errors import AddressUnusable
from runtime.store import is_address, shown
from runtime.store.upkeep import Copy

NewStore = Annotated[str, typer.Argument(help="The store to make, a file, where there is none.")]


def file_at(place: str) -> Path:
    """The path of a store's file, or of one to make; raises `AddressUnusable` for an address."""
    if is_address(place):
        raise AddressUnusable(
            f"{shown(place)} is a server, and this works on files: name a file, or use what"
            " KurrentDB has for it"
        )
    return Path(place)


def say_copy(what: str, copy: Copy) -> None:
    """Tell how much was copied, where to, and the digest of that file."""
    extent = f"{copy.events:,} events up to position {copy.position}"
    say(f"{what} {extent} to {printable(str(copy.path))}")
    say(f"sha256 {copy.digest}")


@contextmanager
def working(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how much is done, on a terminal."""
    with Progress(console=errors, disable=not errors.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
