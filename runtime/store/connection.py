"""Connections to a store file: how one is opened, and the pool that readers share."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Literal

from runtime.errors import StoreClosed
from runtime.store.faults import translated
from runtime.store.pattern import matches

BUSY_SECONDS = 5.0
"""How long to wait for another program that holds the file."""


def connect(path: Path, mode: Literal["ro", "rw", "rwc"]) -> sqlite3.Connection:
    """Open the file at the absolute `path`: for reading, writing, or creating it too.

    Transactions are begun by hand, and any thread may use it. Raises `sqlite3.Error`.
    """
    return sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        uri=True,
    )


class Pool:
    """Read-only connections to one file, lent to one thread at a time.

    It holds as many as were ever lent at once. In their SQL, `matches(pattern, name)` looks
    for a regular expression.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._free: list[sqlite3.Connection] = []
        self._closed = False

    @contextmanager
    def borrow(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; errors of SQLite inside become store errors.

        Raises `StoreClosed` once the pool is closed.
        """
        with translated(self._path):
            connection = self._take()
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            self._give_back(connection)

    def close(self) -> None:
        """Close what is free now, and what is lent when it comes back."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        for connection in free:
            connection.close()

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._closed:
                raise StoreClosed(f"store {self._path} is closed: open it again")
            if self._free:
                return self._free.pop()
        connection = connect(self._path, "ro")
        connection.create_function("matches", 2, matches, deterministic=True)
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed:
                self._free.append(connection)
                return
        connection.close()
