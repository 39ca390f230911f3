"""Checks of what stands beside the log: snapshots, checkpoints, fences."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec

from runtime.errors import SnapshotDamaged
from runtime.store.snapshot import stored_snapshot
from runtime.store.upkeep.findings import Finding

_NAMES = "SELECT name FROM snapshots UNION SELECT name FROM snapshot_parts ORDER BY name"
_CHECKPOINTS = "SELECT name, cursor FROM checkpoints ORDER BY name"
_FENCES = "SELECT name FROM fences WHERE typeof(epoch) != 'integer' OR epoch < 1 ORDER BY name"


def snapshots(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Snapshots that are not as they were stored, by their digests; part by part."""
    for (name,) in connection.execute(_NAMES).fetchall():
        try:
            listed = stored_snapshot(connection, name, ())
            for group in () if listed is None else listed.digests:
                part = stored_snapshot(connection, name, (group,))
                assert part is not None
                part.checked()
            if listed is not None:
                listed.checked()
        except SnapshotDamaged as error:
            yield Finding(f"snapshot {name}", str(error))


def checkpoints(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Checkpoints whose cursor is not JSON text."""
    for name, cursor in connection.execute(_CHECKPOINTS):
        try:
            msgspec.json.decode(cursor)
        except (msgspec.DecodeError, TypeError, UnicodeDecodeError, RecursionError):
            yield Finding(f"checkpoint {name}", f"its cursor is not JSON: {cursor!r:.80}")


def fences(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Fences whose epoch is not a count of claims."""
    for (name,) in connection.execute(_FENCES):
        yield Finding(f"fence {name}", "its epoch is not a number from 1 on")
