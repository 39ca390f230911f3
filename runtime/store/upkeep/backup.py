"""A backup of a store, made while a writer may be at work.

Pages are copied by SQLite's backup interface inside one read transaction: the copy is the
store as of one moment, however many steps it takes, no write of another process makes it
begin again, and none waits for it. (`VACUUM INTO` reads the same way, but encodes all anew.)
Meanwhile the write-ahead log cannot be reset, and grows with what is written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from runtime.store.connection import connect
from runtime.store.faults import translated
from runtime.store.schema import check_present, check_tables
from runtime.store.upkeep.check import require_sound
from runtime.store.upkeep.draft import drafted, sha256_of

PAGES = 2048
"""Pages copied in one step."""

Progress = Callable[[int, int], None]
"""Told how many of how many pages are done."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A store that was made of another: its file, the end of its log, the file's SHA-256."""

    path: Path
    events: int
    position: int
    digest: str


def backup(
    store: str | PathLike[str],
    target: str | PathLike[str],
    progress: Progress = lambda done, total: None,
) -> Copy:
    """Copy the store at `store` to a new file, a store of its own; durable when it returns.

    It appears only when it is whole and was checked. Raises `StoreMissing`,
    `StoreForbidden`, `StoreTooNew`, `StoreFull`, `StoreExists` if something stands at
    `target`, and `StoreDamaged` if the store is not sound: then there is no backup.
    """
    source, place = Path(store).absolute().resolve(), Path(target).absolute()
    with drafted(place) as draft:
        copy_store(source, draft, progress)
        checkup = require_sound(draft, source)
        digest = sha256_of(draft)
    return Copy(place, checkup.events, checkup.position, digest)


def copy_store(source: Path, draft: Path, progress: Progress) -> None:
    """Copy a store as of one moment to `draft`; raises as `backup` does, but checks nothing."""
    with translated(source):
        check_present(source)
        with closing(connect(source, "ro")) as reading:
            reading.execute("BEGIN")
            check_tables(reading, source)
            _copy(reading, draft, progress)


def _copy(reading: sqlite3.Connection, draft: Path, progress: Progress) -> None:
    def told(_: int, left: int, total: int) -> None:
        progress(total - left, total)

    with translated(draft), closing(connect(draft, "rwc")) as writing:
        reading.backup(writing, pages=PAGES, progress=told, sleep=0)
