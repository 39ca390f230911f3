"""The only writer of a store file: several writes in one transaction, each whole or not at all."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from runtime.errors import StoreClosed, StoreError
from runtime.store.faults import store_fault, translated
from runtime.store.port import Appended, Checkpoint, Snapshot, Write
from runtime.store.tail import Tail

Outcome = list[Appended] | Exception
"""What a write came to: the answers to its appends, or why nothing of it was stored."""


class Writer:
    """Commits writes over a connection that it owns. Not to be called by two threads at once."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._tail = Tail(connection)
        self._closed = False

    def commit(self, writes: Sequence[Write]) -> list[Outcome]:
        """Make `writes` durable in one transaction and tell what each came to.

        A write that cannot be stored leaves the others alone; why it cannot is its outcome,
        or is raised if it is the only one. Raises `StoreError` when the transaction as a
        whole failed: then nothing of any write was stored.
        """
        if self._closed:
            raise StoreClosed(f"store {self._path} is closed: open it again")
        with translated(self._path):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                outcomes = self._outcomes(writes)
                self._connection.execute("COMMIT")
            except BaseException:
                self._tail.forget()
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        return outcomes

    def close(self) -> None:
        """Close the connection; closing twice is allowed."""
        self._closed = True
        self._connection.close()

    def _outcomes(self, writes: Sequence[Write]) -> list[Outcome]:
        if len(writes) == 1:
            return [self._store(writes[0])]
        return [self._try(write) for write in writes]

    def _try(self, write: Write) -> Outcome:
        self._connection.execute("SAVEPOINT write")
        try:
            outcome: Outcome = self._store(write)
        except (StoreError, TypeError, OverflowError) as error:
            self._undo()
            outcome = error
        except (sqlite3.Error, ValueError) as error:
            if not self._connection.in_transaction:
                raise
            self._undo()
            outcome = store_fault(self._path, error)
        self._connection.execute("RELEASE write")
        return outcome

    def _undo(self) -> None:
        self._tail.forget()
        self._connection.execute("ROLLBACK TO write")

    def _store(self, write: Write) -> list[Appended]:
        now = time.time_ns()
        answers = [self._tail.append(append, now) for append in write.appends]
        self._tail.flush()
        if write.checkpoints:
            _store_checkpoints(self._connection, write.checkpoints)
        for snapshot in write.snapshots:
            _store_snapshot(self._connection, snapshot)
        return answers


def _store_checkpoints(connection: sqlite3.Connection, checkpoints: Sequence[Checkpoint]) -> None:
    connection.executemany(
        "INSERT INTO checkpoints VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor",
        [(checkpoint.name, checkpoint.cursor) for checkpoint in checkpoints],
    )


def _store_snapshot(connection: sqlite3.Connection, snapshot: Snapshot) -> None:
    connection.execute("DELETE FROM snapshot_parts WHERE name = ?", (snapshot.name,))
    connection.execute(
        "INSERT INTO snapshots VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor",
        (snapshot.name, snapshot.cursor),
    )
    connection.executemany(
        "INSERT INTO snapshot_parts VALUES (?, ?, ?)",
        [(snapshot.name, group, state) for group, state in snapshot.parts.items()],
    )
