"""The write-ahead log of a store file, kept short however busily others read."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

BOUND = 32 * 2**20
"""The size of the log, in bytes, from which on it is emptied: beyond what SQLite itself leaves
of it when it begins it anew, and little enough to be read at an opening after a kill."""

PATIENCE = 0.5
"""Seconds to wait for the reads that are under way; those that begin meanwhile may go on."""


class Wal:
    """Empties the log of a writer's connection when SQLite does not.

    After a commit SQLite writes the log back as far as no reader needs an older state, and
    begins it anew only if nobody reads from it. While somebody always reads it would grow
    for ever.
    """

    def __init__(self, connection: sqlite3.Connection, store: Path) -> None:
        self._connection = connection
        self._file = store.with_name(f"{store.name}-wal")
        self._least = BOUND

    def trim(self) -> None:
        """Write the log back and empty it, if it is too long; to be called between transactions.

        Waits up to `PATIENCE` seconds. A program that holds an older state for longer is
        let be until the log has grown by `BOUND` again. Never fails: what the log holds is
        durable already.
        """
        with suppress(OSError, sqlite3.Error):
            size = self._file.stat().st_size
            if size < BOUND:
                self._least = BOUND
            if size >= self._least:
                self._empty()
                self._least = self._file.stat().st_size + BOUND

    def _empty(self) -> None:
        waits = self._connection.execute("PRAGMA busy_timeout").fetchone()[0]
        self._connection.execute(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}")
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {waits}")
