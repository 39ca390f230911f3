"""How a store of an older schema becomes one of the present schema."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from runtime.store.limits import limit_streams
from runtime.store.schema import (
    SCHEMA_VERSION,
    VERSION_2,
    VERSION_3,
    VERSION_4,
    schema_version,
)
from runtime.store.snapshot import read_version_1, store_snapshot

_OLD_TABLES = ("snapshots", "snapshot_parts")


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to `SCHEMA_VERSION` in one transaction; does nothing if they have it.

    Whatever ends it before leaves the store as it was. To be called by the holder of the
    writer's lock, for a store that `check_tables` has let pass. Raises `sqlite3.Error`.
    """
    version = schema_version(connection)
    if version == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if version < 2:
            _to_version_2(connection)
        if version < 3:
            _make(connection, VERSION_3)
            limit_streams(connection)
        _make(connection, VERSION_4)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _make(connection: sqlite3.Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        connection.execute(statement)


def _to_version_2(connection: sqlite3.Connection) -> None:
    """Give every snapshot its digests, each part at the cursor of its snapshot."""
    for table in _OLD_TABLES:
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    _make(connection, VERSION_2)
    for (name,) in connection.execute("SELECT name FROM old_snapshots").fetchall():
        stored = read_version_1(connection, name, None, "old_")
        assert stored is not None
        store_snapshot(connection, stored.checked())
    for table in reversed(_OLD_TABLES):
        connection.execute(f"DROP TABLE old_{table}")
