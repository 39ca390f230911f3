"""The end of the log, where a writer's appends go."""

from __future__ import annotations

import sqlite3
from functools import lru_cache
from itertools import chain

from runtime.store.expectation import judge
from runtime.store.port import Append, Appended
from runtime.store.query import head_of, last_position

MAX_HEADS = 200_000
"""Streams whose heads are remembered at the most."""

ROWS = 128
"""Rows of one INSERT. Each statement gives up the interpreter lock once, whatever it inserts;
row by row, a busy thread beside this one would slow it down a hundredfold."""

_IDS = "SELECT event_id FROM events WHERE stream = ? AND revision >= ? ORDER BY revision LIMIT ?"
_REVISION_OF = "SELECT max(revision) FROM events WHERE event_id = ? AND +stream = ?"
_Row = tuple[int, int, int, bytes, str, bytes, bytes, int]


@lru_cache(maxsize=ROWS)
def _insert(rows: int) -> str:
    places = ",".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * rows)
    return f"INSERT INTO events VALUES {places}"  # noqa: S608 (place holders only)


class Tail:
    """Remembers the head of each stream and the last position, and stores new events.

    Used inside a transaction of the only writer. After an error or a rollback, `forget`
    must be called. Methods raise `sqlite3.Error`.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._heads: dict[str, tuple[int, int]] = {}
        self._position: int | None = None
        self._rows: list[_Row] = []

    def append(self, append: Append, now: int) -> Appended:
        """Take the events of `append`, recorded at `now` (ns); `flush` stores them.

        Raises `WrongExpectedVersion` as `judge` does.
        """
        name = append.stream
        stream, revision = self._head(name) or (None, -1)
        repeated = judge(append, revision, self)
        if repeated is not None:
            return Appended(repeated, self._position_of(stream, repeated))
        if not append.events:
            return Appended(revision, 0)
        if stream is None:
            stream = self._new_stream(name)
        position = self._last()
        add = self._rows.append
        for e in append.events:
            position += 1
            revision += 1
            add((position, stream, revision, e.event_id, e.type, e.data, e.metadata, now))
        self._position = position
        self._heads[name] = stream, revision
        return Appended(revision, position)

    def flush(self) -> None:
        """Store what `append` has taken."""
        for start in range(0, len(self._rows), ROWS):
            rows = self._rows[start : start + ROWS]
            self._connection.execute(_insert(len(rows)), list(chain.from_iterable(rows)))
        self._rows = []
        if len(self._heads) > MAX_HEADS:
            self._heads = {}

    def forget(self) -> None:
        """Drop all that is remembered: the next append looks it up again."""
        self._heads = {}
        self._position = None
        self._rows = []

    def ids(self, stream: str, start: int, count: int) -> list[bytes]:
        """Event ids of a stream from revision `start` on, `count` at the most."""
        head = self._head(stream)
        if head is None:
            return []
        self.flush()
        rows = self._connection.execute(_IDS, (head[0], start, count))
        return [event_id for (event_id,) in rows]

    def revision_of(self, stream: str, event_id: bytes) -> int | None:
        """The last revision of a stream at which that id stands, if any."""
        head = self._head(stream)
        if head is None:
            return None
        self.flush()
        row: tuple[int | None] = self._connection.execute(
            _REVISION_OF, (event_id, head[0])
        ).fetchone()
        return row[0]

    def _head(self, stream: str) -> tuple[int, int] | None:
        return self._heads.get(stream) or head_of(self._connection, stream)

    def _position_of(self, stream: int | None, revision: int) -> int:
        row: tuple[int] = self._connection.execute(
            "SELECT position FROM events WHERE stream = ? AND revision = ?", (stream, revision)
        ).fetchone()
        return row[0]

    def _new_stream(self, name: str) -> int:
        cursor = self._connection.execute("INSERT INTO streams (name) VALUES (?)", (name,))
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _last(self) -> int:
        if self._position is None:
            self._position = last_position(self._connection) or 0
        return self._position
