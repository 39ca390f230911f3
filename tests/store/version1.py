"""A store as Lucent made it under schema 1."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from runtime.events import named_id
from runtime.store import Snapshot

TABLES = """
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
CREATE TABLE snapshots (
    name TEXT PRIMARY KEY,
    cursor TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE snapshot_parts (
    name TEXT NOT NULL REFERENCES snapshots (name),
    key_group INTEGER NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (name, key_group)
);
PRAGMA application_id = 1282761582;
PRAGMA user_version = 1;
COMMIT;
PRAGMA journal_mode = WAL;
"""

SNAPSHOTS = (
    Snapshot("run/judge", '{"at":1}', {0: b"zero", 7: b"", 255: b"\x00\xff" * 3000}),
    Snapshot("run/late", '{"at":2}', {}),
    Snapshot("rün", "3", {1: b"x"}),
)


def write_version_1(path: Path, events: int = 20) -> None:
    """Make a store with a stream `s-1`, the checkpoint `run` and `SNAPSHOTS`."""
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(TABLES)
        raw.execute("INSERT INTO streams VALUES (1, 's-1')")
        raw.executemany(
            "INSERT INTO events VALUES (?, 1, ?, ?, 'T', x'01', x'02', 3)",
            [(place + 1, place, named_id(str(place))) for place in range(events)],
        )
        raw.execute("INSERT INTO checkpoints VALUES ('run', '{\"at\":1}')")
        for snapshot in SNAPSHOTS:
            raw.execute("INSERT INTO snapshots VALUES (?, ?)", (snapshot.name, snapshot.cursor))
            raw.executemany(
                "INSERT INTO snapshot_parts VALUES (?, ?, ?)",
                [(snapshot.name, group, state) for group, state in snapshot.parts.items()],
            )
        raw.commit()
