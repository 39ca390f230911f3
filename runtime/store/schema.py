"""The tables of a store file, and how a file is known to be one."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from runtime.errors import StoreDamaged, StoreForbidden, StoreMissing, StoreTooNew
from runtime.store.connection import connect

APPLICATION_ID = 0x4C75636E
"""What the file's header says it is ("Lucn")."""

SCHEMA_VERSION = 4
"""The newest schema this Lucent reads and the one it writes."""

VERSION_2 = (
    """CREATE TABLE snapshots (
    name TEXT PRIMARY KEY,
    cursor TEXT NOT NULL,
    digest BLOB NOT NULL
) WITHOUT ROWID""",
    """CREATE TABLE snapshot_parts (
    name TEXT NOT NULL REFERENCES snapshots (name),
    key_group INTEGER NOT NULL,
    cursor TEXT NOT NULL,
    digest BLOB NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (name, key_group)
)""",
    """CREATE TABLE fences (
    name TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL
) WITHOUT ROWID""",
)
"""What schema 2 has beside the log and the checkpoints, which are those of schema 1."""

VERSION_3 = (
    "ALTER TABLE streams ADD COLUMN truncate_before INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE streams ADD COLUMN max_count INTEGER",
    "ALTER TABLE streams ADD COLUMN max_age INTEGER",
    "ALTER TABLE events ADD COLUMN json INTEGER NOT NULL DEFAULT 1",
)
"""What schema 3 adds: the limits that a stream's metadata sets (events, seconds), and which
events are declared JSON."""

VERSION_4 = (
    """CREATE TABLE scavenged (
    position INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL REFERENCES streams (id),
    revision INTEGER NOT NULL,
    event_id BLOB NOT NULL,
    digest BLOB,
    UNIQUE (stream, revision)
)""",
    "CREATE INDEX scavenged_by_id ON scavenged (event_id)",
)
"""What schema 4 adds: what is kept of events that were removed. `digest` is the one that the
next event of a chain names; NULL for an event that was not in the signed form."""

_TABLES = f"""
PRAGMA auto_vacuum = INCREMENTAL;
BEGIN;
CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL REFERENCES streams (id),
    revision INTEGER NOT NULL,
    event_id BLOB NOT NULL,
    type TEXT NOT NULL,
    data BLOB NOT NULL,
    metadata BLOB NOT NULL,
    recorded_at INTEGER NOT NULL,
    UNIQUE (stream, revision)
);
CREATE INDEX events_by_id ON events (event_id);
CREATE TABLE checkpoints (
    name TEXT PRIMARY KEY,
    cursor TEXT NOT NULL
) WITHOUT ROWID;
{";".join(VERSION_2)};
{";".join(VERSION_3)};
{";".join(VERSION_4)};
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
PRAGMA journal_mode = WAL;
"""

_WRITER_PRAGMAS = (
    "synchronous = FULL",
    "cache_size = -65536",
    "wal_autocheckpoint = 4096",
    "journal_size_limit = 25165824",
    "secure_delete = OFF",
    "temp_store = MEMORY",
)


def create_store(path: Path) -> None:
    """Make an empty store at `path`, where there is none or an empty file.

    It appears as a whole: it is made as `<path>.new` and then renamed. It can give free
    pages back (`auto_vacuum`), as one that an older Lucent made cannot. To be called by the
    holder of the writer's lock. Raises `StoreDamaged` if the write-ahead log of a
    vanished store lies there, `sqlite3.Error` and `OSError`.
    """
    left = path.with_name(f"{path.name}-wal")
    if left.exists():
        raise StoreDamaged(f"{left} is left of a store that is gone: restore that, or remove it")
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    try:
        with closing(connect(draft, "rwc")) as connection:
            connection.executescript(_TABLES)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def check_present(path: Path) -> None:
    """Raise `StoreMissing` if there is a folder, nothing, or an empty file at `path`."""
    if path.is_dir():
        raise StoreMissing(f"{path} is a folder, not a store: name a file")
    if is_vacant(path):
        raise StoreMissing(f"no store at {path}: check the path, or start a run that writes to it")


def is_vacant(path: Path) -> bool:
    """Whether there is no file at `path`, or one without a byte."""
    return not path.exists() or (path.is_file() and path.stat().st_size == 0)


def check_tables(connection: sqlite3.Connection, path: Path) -> None:
    """Raise unless the file is a store of a schema that this Lucent reads.

    `StoreTooNew` for a newer schema, `StoreDamaged` for anything else.
    """
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise StoreDamaged(f"{path} is a database, but not a Lucent store: check the path")
    version = schema_version(connection)
    if version > SCHEMA_VERSION:
        raise StoreTooNew(
            f"{path} was written by a newer Lucent (schema {version},"
            f" this one reads up to {SCHEMA_VERSION}): upgrade Lucent"
        )
    if version < 1:
        raise StoreDamaged(f"{path} has the unknown schema {version}: restore it from a copy")


def schema_version(connection: sqlite3.Connection) -> int:
    """The schema of the file, as of the transaction that is open, if one is."""
    return _pragma(connection, "user_version")


def has_policies(connection: sqlite3.Connection) -> bool:
    """Whether the file is of schema 3 or later, which knows policies of streams."""
    return schema_version(connection) >= 3


def has_scavenged(connection: sqlite3.Connection) -> bool:
    """Whether the file is of schema 4 or later, which keeps what is needed of removed events."""
    return schema_version(connection) >= 4


def prepare_writer(connection: sqlite3.Connection, path: Path) -> None:
    """Set a writer's pragmas and see that it can write, by a transaction that is taken back.

    Raises `StoreForbidden` where the file system cannot hold a write-ahead log.
    """
    journal = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if journal != "wal":
        raise StoreForbidden(
            f"the file system of {path} cannot share memory between processes,"
            " which SQLite's write-ahead log needs: put the store on a local disk"
        )
    for pragma in _WRITER_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("ROLLBACK")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value
