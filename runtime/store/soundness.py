"""What is looked at when a store is opened: constant time, whatever the length of the log.

All else is left to `lucent store check`, which reads the whole file.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NoReturn

from runtime.errors import StoreDamaged
from runtime.store.schema import schema_version

_PARTS = {
    1: {"streams", "events", "events_by_id", "checkpoints", "snapshots", "snapshot_parts"},
    2: {"fences"},
    4: {"scavenged", "scavenged_by_id"},
}
"""The tables and indexes that each schema added."""

_NAMES = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'index')"
_LAST = "SELECT position, stream, revision, event_id FROM events ORDER BY position DESC LIMIT 1"
_BY_REVISION = "SELECT position FROM events WHERE stream = ? AND revision = ?"
_HEAD = "SELECT max(revision) FROM events WHERE stream = ?"
_BY_ID = "SELECT max(position) FROM events WHERE event_id = ?"
_NAME = "SELECT name FROM streams WHERE id = ?"


def check_end(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `StoreDamaged` unless the file is whole and the end of the log is in its indexes.

    For a store that `check_tables` has let pass. Opens a transaction of its own; after an
    error the connection is to be closed.
    """
    connection.execute("BEGIN")
    check_parts(connection, path)
    _check_length(connection, path)
    _check_last(connection, path)
    connection.execute("COMMIT")


def check_parts(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `StoreDamaged` unless every table and index of the schema is there."""
    version = schema_version(connection)
    wanted = set().union(*(names for since, names in _PARTS.items() if since <= version))
    missing = wanted - {name for (name,) in connection.execute(_NAMES)}
    if missing:
        _refuse(path, f"its table or index {min(missing)!r} is missing")


def _check_length(connection: sqlite3.Connection, path: Path) -> None:
    """While nothing waits in the write-ahead log, all pages must be in the file."""
    pages = _pragma(connection, "page_count")
    length = pages * _pragma(connection, "page_size")
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        return
    found = path.stat().st_size
    if found < length:
        _refuse(path, f"it has {found:,} bytes of {length:,}, and no write-ahead log beside it")


def _check_last(connection: sqlite3.Connection, path: Path) -> None:
    last = connection.execute(_LAST).fetchone()
    if last is None:
        return
    position, stream, revision, event_id = last
    if not connection.execute(_NAME, (stream,)).fetchone():
        _refuse(path, f"the last event (position {position}) is of no stream")
    by_revision = connection.execute(_BY_REVISION, (stream, revision)).fetchone()
    head = connection.execute(_HEAD, (stream,)).fetchone()
    by_id = connection.execute(_BY_ID, (event_id,)).fetchone()
    if (by_revision, head, by_id) != ((position,), (revision,), (position,)):
        _refuse(path, f"the last event (position {position}) is not where the indexes have it")


def _refuse(path: Path, detail: str) -> NoReturn:
    raise StoreDamaged(
        f"store {path} is damaged: {detail}; see 'lucent store check', or restore it from a backup"
    )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value
