"""The end of the log, where a writer's appends go."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

from runtime.errors import StreamDeleted
from runtime.events import NewEvent, named_id
from runtime.store.expectation import TOMBSTONE, Head, judge
from runtime.store.policy import (
    METADATA_TYPE,
    TOMBSTONE_TYPE,
    Policy,
    deleted_metadata,
    described_by,
    metastream,
    read_policy,
    revived_metadata,
)
from runtime.store.port import Append, Appended, Delete, Expected
from runtime.store.query import Standing, last_position, standing_of

MAX_HEADS = 200_000
"""Streams whose heads are remembered at the most."""

ROWS = 128
"""Rows of one INSERT. Each statement gives up the interpreter lock once, whatever it inserts;
row by row, a busy thread beside this one would slow it down a hundredfold."""

_IDS = """
SELECT event_id, revision FROM events WHERE stream = ?1 AND revision >= ?2
UNION ALL
SELECT event_id, revision FROM scavenged WHERE stream = ?1 AND revision >= ?2
ORDER BY revision LIMIT ?3
"""
_REVISION_OF = """
SELECT max(revision) FROM (
    SELECT revision FROM events WHERE event_id = ?1 AND +stream = ?2
    UNION ALL
    SELECT revision FROM scavenged WHERE event_id = ?1 AND +stream = ?2
)
"""
_POSITION = """
SELECT position FROM events WHERE stream = ?1 AND revision = ?2
UNION ALL
SELECT position FROM scavenged WHERE stream = ?1 AND revision = ?2
"""
_DATA = "SELECT data FROM events WHERE stream = ? AND revision = ?"
_LIMIT = "UPDATE streams SET truncate_before = ?, max_count = ?, max_age = ? WHERE id = ?"
_Row = tuple[int, int, int, bytes, str, bytes, bytes, int, bool]
_NOWHERE = Standing(0, -1)


@lru_cache(maxsize=ROWS)
def _insert(rows: int) -> str:
    places = ",".join(["(?, ?, ?, ?, ?, ?, ?, ?, ?)"] * rows)
    return f"INSERT INTO events VALUES {places}"  # noqa: S608 (place holders only)


class Tail:
    """Remembers the head of each stream and the last position, and stores new events.

    Used inside a transaction of the only writer. After an error or a rollback, `forget`
    must be called. Methods raise `sqlite3.Error`.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._heads: dict[str, Standing] = {}
        self._position: int | None = None
        self._rows: list[_Row] = []

    def append(self, append: Append, now: int) -> Appended:
        """Take the events of `append`, recorded at `now` (ns); `flush` stores them.

        Raises `WrongExpectedVersion` and `StreamDeleted` as `judge` does.
        """
        name = append.stream
        found = self._standing(name) or _NOWHERE
        repeated = judge(append, found.head(described=self._described(append, found)), self)
        if repeated is not None:
            return Appended(repeated, self._position_of(found.id, repeated))
        if found.policy.deleted:
            self._revive(name, found.revision + 1, now)
        if not append.events:
            return Appended(found.revision, 0)
        answer = self._add(name, append.events, now)
        described = described_by(name)
        if described is not None:
            self._describe(described, append.events[-1], now)
        return answer

    def delete(self, delete: Delete, now: int) -> Appended:
        """Take the record that deletes a stream, at `now` (ns); `flush` stores it.

        Raises `WrongExpectedVersion` and `StreamDeleted`.
        """
        name = delete.stream
        found = self._standing(name) or _NOWHERE
        record = _record(name, found.revision, TOMBSTONE_TYPE, b"")
        probe = Append(name, delete.expected, [record])
        judge(probe, found.head(described=self._described(probe, found)), self)
        if delete.hard:
            return self._add(name, [record], now, TOMBSTONE)
        if found.revision < 0:
            judge(Append(name, 0, [record]), Head(), self)
        answer = self._write_metadata(name, deleted_metadata(), now)
        self._limit(name, Policy(TOMBSTONE))
        return answer

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
        found = self._standing(stream)
        if found is None:
            return []
        self.flush()
        rows = self._connection.execute(_IDS, (found.id, start, count))
        return [event_id for event_id, _ in rows]

    def revision_of(self, stream: str, event_id: bytes) -> int | None:
        """The last revision of a stream at which that id stands, if any."""
        found = self._standing(stream)
        if found is None:
            return None
        self.flush()
        row: tuple[int | None] = self._connection.execute(
            _REVISION_OF, (event_id, found.id)
        ).fetchone()
        return row[0]

    def _standing(self, stream: str) -> Standing | None:
        return self._heads.get(stream) or standing_of(self._connection, stream)

    def _described(self, append: Append, found: Standing) -> bool:
        """Whether the stream has metadata, where the answer matters."""
        asked = append.expected is Expected.EXISTS and found.revision < 0
        return asked and self._standing(metastream(append.stream)) is not None

    def _add(
        self, name: str, events: Sequence[NewEvent], now: int, first: int | None = None
    ) -> Appended:
        """Put `events` behind the last one of the stream, or at the revision `first`."""
        found = self._standing(name) or Standing(self._new_stream(name), -1)
        revision = found.revision if first is None else first - 1
        stream, position = found.id, self._last()
        add = self._rows.append
        for e in events:
            position += 1
            revision += 1
            add((position, stream, revision, e.event_id, e.type, e.data, e.metadata, now, e.json))
        self._position = position
        self._heads[name] = Standing(stream, revision, found.policy)
        return Appended(revision, position)

    def _describe(self, stream: str, metadata: NewEvent, now: int) -> None:
        """Let metadata that were just taken hold, if they are JSON; they revive its stream."""
        found = self._standing(stream) or _NOWHERE
        data = metadata.data if metadata.json else b""
        if found.policy.deleted:
            data = revived_metadata(metadata.data, found.revision + 1)
            self._write_metadata(stream, data, now)
        self._limit(stream, read_policy(data))

    def _revive(self, stream: str, revision: int, now: int) -> None:
        """Have a deleted stream seen again from `revision` on; its other metadata stay."""
        data = revived_metadata(self._metadata(stream), revision)
        self._write_metadata(stream, data, now)
        self._limit(stream, read_policy(data))

    def _metadata(self, stream: str) -> bytes:
        """The data of the last event of a stream's metadata, which must not be deleted for good."""
        found = self._standing(metastream(stream))
        if found is None:
            return b""
        self.flush()
        row: tuple[bytes] = self._connection.execute(_DATA, (found.id, found.revision)).fetchone()
        return row[0]

    def _write_metadata(self, stream: str, data: bytes, now: int) -> Appended:
        name = metastream(stream)
        found = self._standing(name) or _NOWHERE
        if found.revision == TOMBSTONE:
            told = f"the metadata of stream {stream!r} are deleted for good"
            raise StreamDeleted(f"{told}, and it cannot go on without: use another stream")
        return self._add(name, [_record(name, found.revision, METADATA_TYPE, data)], now)

    def _limit(self, stream: str, policy: Policy) -> None:
        found = self._standing(stream) or Standing(self._new_stream(stream), -1)
        limits = policy.truncate_before, policy.max_count, policy.max_age
        self._connection.execute(_LIMIT, (*limits, found.id))
        self._heads[stream] = found._replace(policy=policy)

    def _position_of(self, stream: int, revision: int) -> int:
        row: tuple[int] = self._connection.execute(_POSITION, (stream, revision)).fetchone()
        return row[0]

    def _new_stream(self, name: str) -> int:
        cursor = self._connection.execute("INSERT INTO streams (name) VALUES (?)", (name,))
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _last(self) -> int:
        if self._position is None:
            self._position = last_position(self._connection) or 0
        return self._position


def _record(stream: str, revision: int, kind: str, data: bytes) -> NewEvent:
    """What the store itself writes behind `revision` of a stream; the id is always the same.

    Metadata are declared JSON, a tombstone is not.
    """
    identity = named_id(f"{kind}/{stream}/{revision}")
    return NewEvent(identity, kind, data, b"", kind == METADATA_TYPE)
