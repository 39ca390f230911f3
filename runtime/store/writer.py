"""The only writer of a store file: requests that share a transaction, each whole or not at all."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from runtime.errors import StoreClosed, StoreError
from runtime.store.faults import store_fault, translated
from runtime.store.fence import Claim, check_fence, raise_epoch
from runtime.store.policy import SETTINGS, described_by
from runtime.store.port import Appended, Checkpoint, Delete, Fence, Write
from runtime.store.pruning import Prune, Pruned, Shrink, prune, shrink
from runtime.store.snapshot import store_snapshot
from runtime.store.tail import Tail
from runtime.store.wal import Wal

Request = Write | Claim | Delete | Prune | Shrink
"""What a writer can be asked to commit."""

Answer = list[Appended] | Fence | Pruned | int
"""What is answered: where the appends of a write ended, the fence of a claim, what was removed,
or how many pages were given back."""

Outcome = Answer | Exception
"""What a request came to: its answer, or why nothing of it was stored."""


class Writer:
    """Commits requests over a connection that it owns. Not to be called by two threads at once."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._tail = Tail(connection)
        self._wal = Wal(connection, path)
        self._closed = False

    def commit(self, requests: Sequence[Request]) -> list[Outcome]:
        """Make `requests` durable in one transaction, in their order; tells what each came to.

        One that cannot be stored leaves the others alone; why it cannot is its outcome, or
        is raised if it is the only one. Raises `StoreError` when the transaction as a whole
        failed: then nothing of any request was stored.
        """
        if self._closed:
            raise StoreClosed(f"store {self._path} is closed: open it again")
        self._wal.trim()
        with translated(self._path):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                outcomes = self._outcomes(requests)
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

    def _outcomes(self, requests: Sequence[Request]) -> list[Outcome]:
        if len(requests) == 1:
            return [self._answer(requests[0])]
        return [self._try(request) for request in requests]

    def _try(self, request: Request) -> Outcome:
        self._connection.execute("SAVEPOINT write")
        try:
            outcome: Outcome = self._answer(request)
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

    def _answer(self, request: Request) -> Answer:
        if isinstance(request, Claim):
            return raise_epoch(self._connection, request.name)
        if isinstance(request, Delete):
            return self._delete(request)
        if isinstance(request, Prune):
            return prune(self._connection, request)
        if isinstance(request, Shrink):
            return shrink(self._connection)
        if request.fence is not None:
            check_fence(self._connection, request.fence)
        return self._store(request)

    def _delete(self, delete: Delete) -> Answer:
        answer = self._tail.delete(delete, time.time_ns())
        self._tail.flush()
        return [answer]

    def _store(self, write: Write) -> list[Appended]:
        now = time.time_ns()
        answers = [self._tail.append(append, now) for append in write.appends]
        self._tail.flush()
        if write.checkpoints:
            _store_checkpoints(self._connection, write.checkpoints)
        for snapshot in write.snapshots:
            store_snapshot(self._connection, snapshot)
        return answers


def _store_checkpoints(connection: sqlite3.Connection, checkpoints: Sequence[Checkpoint]) -> None:
    connection.executemany(
        "INSERT INTO checkpoints VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor",
        [(checkpoint.name, checkpoint.cursor) for checkpoint in checkpoints],
    )


def describes(request: Request) -> bool:
    """Whether it may change what metadata say."""
    if isinstance(request, Write):
        names = (append.stream for append in request.appends)
        return any(name == SETTINGS or described_by(name) is not None for name in names)
    return isinstance(request, Delete)
