"""Snapshots in the tables: parts that are replaced one by one, under digests."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from runtime.errors import SnapshotDamaged
from runtime.store.digest import part_digest, snapshot_digest
from runtime.store.port import Snapshot
from runtime.store.schema import schema_version

_HEADER = "SELECT CAST(cursor AS TEXT), CAST(digest AS BLOB) FROM snapshots WHERE name = ?"
_DIGESTS = """
SELECT key_group, rowid, CAST(digest AS BLOB) FROM snapshot_parts
WHERE name = ? AND typeof(key_group) = 'integer' ORDER BY key_group
"""
_PART = "SELECT CAST(cursor AS TEXT), CAST(state AS BLOB) FROM snapshot_parts WHERE rowid = ?"
_HEADER_1 = "SELECT CAST(cursor AS TEXT) FROM {prefix}snapshots WHERE name = ?"
_PARTS_1 = """
SELECT key_group, CAST(state AS BLOB) FROM {prefix}snapshot_parts
WHERE name = ? AND typeof(key_group) = 'integer' ORDER BY key_group
"""
_STORE_HEADER = """
INSERT INTO snapshots (name, cursor, digest) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor, digest = excluded.digest
"""
_STORE_PART = """
INSERT OR REPLACE INTO snapshot_parts (name, key_group, cursor, digest, state)
VALUES (?, ?, ?, ?, ?)
"""


class StoredPart(NamedTuple):
    """The state of a key group, and the cursor it was taken at."""

    cursor: str
    state: bytes


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """What the tables hold of a snapshot: `digests` of all its parts, some `parts` themselves.

    Without a `digest` (of a store of schema 1) nothing can be checked.
    """

    name: str
    cursor: str
    digest: bytes | None
    digests: dict[int, bytes] = field(default_factory=dict)
    parts: dict[int, StoredPart] = field(default_factory=dict)

    def checked(self) -> Snapshot:
        """The snapshot, if it is as it was stored; raises `SnapshotDamaged` if it is not."""
        if self.digest is not None:
            for group, part in self.parts.items():
                self._check_part(group, part)
            self.check_parts_list()
        states = {group: part.state for group, part in self.parts.items()}
        return Snapshot(self.name, self.cursor, states)

    def check_parts_list(self) -> None:
        """Raise `SnapshotDamaged` unless the cursor and the digests are those last stored."""
        if snapshot_digest(self.name, self.cursor, self.digests) != self.digest:
            raise SnapshotDamaged(
                f"snapshot {self.name!r} is damaged: its cursor was altered, or parts were"
                f" removed, added or exchanged (it has {len(self.digests)} parts now):"
                " restore the store from a copy"
            )

    def _check_part(self, group: int, part: StoredPart) -> None:
        if part_digest(self.name, part.cursor, group, part.state) != self.digests[group]:
            raise SnapshotDamaged(
                f"snapshot {self.name!r} is damaged: the state of key group {group}, its cursor or"
                " its digest is not the one that was stored: restore the store from a copy"
            )


def store_snapshot(connection: sqlite3.Connection, snapshot: Snapshot) -> None:
    """Store the parts of `snapshot` and its cursor, in the transaction that is open.

    Parts of other key groups stay, or go if it is `whole`. Raises `SnapshotDamaged` if
    those that would stay are not those stored before, so that their loss is not hidden.
    """
    name, cursor, parts = snapshot.name, snapshot.cursor, snapshot.parts
    new = {group: part_digest(name, cursor, group, state) for group, state in parts.items()}
    if snapshot.whole:
        connection.execute("DELETE FROM snapshot_parts WHERE name = ?", (name,))
    digests = {} if snapshot.whole else _sound_digests(connection, name)
    digest = snapshot_digest(name, cursor, digests | new)
    connection.execute(_STORE_HEADER, (name, cursor, digest))
    connection.executemany(
        _STORE_PART,
        [(name, group, cursor, new[group], state) for group, state in parts.items()],
    )


def read_snapshot(
    connection: sqlite3.Connection, name: str, groups: Collection[int] | None
) -> StoredSnapshot | None:
    """What is stored under `name`, with the parts of `groups` (None: all), as of one moment.

    Opens a transaction of its own; after an error the connection is to be closed.
    """
    connection.execute("BEGIN")
    if schema_version(connection) < 2:
        stored = read_version_1(connection, name, groups)
    else:
        stored = stored_snapshot(connection, name, groups)
    connection.execute("COMMIT")
    return stored


def read_version_1(
    connection: sqlite3.Connection,
    name: str,
    groups: Collection[int] | None,
    prefix: Literal["", "old_"] = "",
) -> StoredSnapshot | None:
    """The same of the tables of schema 1, in the transaction that is open.

    `prefix` is what the names of the tables begin with.
    """
    header: tuple[str] | None = connection.execute(
        _HEADER_1.format(prefix=prefix), (name,)
    ).fetchone()
    if header is None:
        return None
    wanted = None if groups is None else set(groups)
    rows = connection.execute(_PARTS_1.format(prefix=prefix), (name,))
    parts = {
        group: StoredPart(*header, state)
        for group, state in rows
        if wanted is None or group in wanted
    }
    return StoredSnapshot(name, *header, None, parts=parts)


def stored_snapshot(
    connection: sqlite3.Connection, name: str, groups: Collection[int] | None
) -> StoredSnapshot | None:
    """The same of the tables of schema 2 and later, in the transaction that is open.

    Raises `SnapshotDamaged` if parts have lost their snapshot.
    """
    header: tuple[str, bytes] | None = connection.execute(_HEADER, (name,)).fetchone()
    listed: list[tuple[int, int, bytes]] = connection.execute(_DIGESTS, (name,)).fetchall()
    if header is None and listed:
        raise SnapshotDamaged(
            f"snapshot {name!r} is damaged: its {len(listed)} parts have lost its cursor:"
            " restore the store from a copy"
        )
    if header is None:
        return None
    wanted = None if groups is None else set(groups)
    parts = {
        group: StoredPart(*connection.execute(_PART, (row,)).fetchone())
        for group, row, _ in listed
        if wanted is None or group in wanted
    }
    return StoredSnapshot(name, *header, {group: digest for group, _, digest in listed}, parts)


def _sound_digests(connection: sqlite3.Connection, name: str) -> dict[int, bytes]:
    stored = stored_snapshot(connection, name, ())
    if stored is None:
        return {}
    stored.check_parts_list()
    return stored.digests
