"""The file of a store: what must hold before it is read, and how a writer takes hold of it."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Literal

from runtime.store.connection import connect
from runtime.store.lock import WriterLock
from runtime.store.migration import migrate
from runtime.store.schema import (
    check_present,
    check_tables,
    create_store,
    is_vacant,
    prepare_writer,
)
from runtime.store.soundness import check_end
from runtime.store.writer import Writer


def inspect(path: Path, mode: Literal["ro", "rw"]) -> None:
    """Raise unless there is a store at `path`; takes no lock and leaves no file."""
    check_present(path)
    with closing(connect(path, mode)) as connection:
        check_tables(connection, path)
        check_end(connection, path)


def open_writer(path: Path, wait: float, *, create: bool, held: ExitStack) -> Writer:
    """Lock the store and connect to it; what must be released goes to `held`."""
    if not (create and is_vacant(path)):
        inspect(path, "rw")
    held.enter_context(WriterLock(path, wait))
    if create and is_vacant(path):
        create_store(path)
    connection = connect(path, "rw")
    writer = Writer(connection, path)
    held.callback(writer.close)
    check_tables(connection, path)
    check_end(connection, path)
    prepare_writer(connection, path)
    migrate(connection)
    return writer
