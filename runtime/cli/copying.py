"""What the commands that copy a store tell meanwhile, and in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import Progress

from runtime.cli.screen import errors, printable, say
from runtime.store.upkeep import Copy


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
