"""A new store made of an exported file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from os import PathLike
from pathlib import Path

from runtime.errors import ArchiveInvalid
from runtime.store.connection import connect
from runtime.store.faults import translated
from runtime.store.limits import limit_streams
from runtime.store.schema import create_store
from runtime.store.upkeep.archive import TOLD_EVERY, Placed, named, read_archive
from runtime.store.upkeep.backup import Copy, Progress
from runtime.store.upkeep.check import require_sound
from runtime.store.upkeep.draft import drafted, sha256_of
from runtime.store.upkeep.intake import Intake
from runtime.store.upkeep.logcheck import beheaded


def ingest(
    source: str | PathLike[str],
    target: str | PathLike[str],
    progress: Progress = lambda done, total: None,
) -> Copy:
    """Make a new store of a file that `export` has written; durable when it returns.

    Positions, revisions and times are those in the file, byte for byte what is in data and
    metadata; streams are limited as their metadata say. Works in bounded memory. `progress`
    is told of bytes read, or of rows.

    Raises `ArchiveInvalid` for a file that is missing, truncated or in another form, naming
    the line or row: then there is no store; `StoreExists` if something stands at `target`.
    """
    archive, place = Path(source).absolute(), Path(target).absolute()
    entries = read_archive(archive, progress)
    with drafted(place) as draft:
        with translated(draft):
            create_store(draft)
            with closing(connect(draft, "rw")) as connection:
                _fill(Intake(connection), entries, archive)
        checkup = require_sound(draft, archive)
        digest = sha256_of(draft)
    return Copy(place, checkup.events, checkup.position, digest)


def _fill(intake: Intake, entries: Iterator[Placed], archive: Path) -> None:
    """Put all `entries` in; durability is left to what makes the draft a store."""
    connection = intake.connection
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("BEGIN IMMEDIATE")
    for number, (where, entry) in enumerate(entries):
        with named(archive, where):
            intake.put(entry)
        if number % TOLD_EVERY == TOLD_EVERY - 1:
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
    for stream, position in beheaded(connection):
        told = f"stream {stream!r} ends with a removed event (position {position})"
        raise ArchiveInvalid(f"{archive}: {told}: what followed it is missing")
    limit_streams(connection)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
