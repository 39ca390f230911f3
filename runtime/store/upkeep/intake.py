"""Entries put into a new store, as they stood in another."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import NamedTuple

from runtime.events import Entry, RecordedEvent
from runtime.store.expectation import TOMBSTONE
from runtime.store.query import LAST
from runtime.store.tail import MAX_HEADS

_ADD = "INSERT INTO streams (name) VALUES (?)"
_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_REMOVED = "INSERT INTO scavenged VALUES (?, ?, ?, ?, ?)"
_END = """
SELECT s.id, max(
    coalesce((SELECT max(revision) FROM events WHERE stream = s.id), -1),
    coalesce((SELECT max(revision) FROM scavenged WHERE stream = s.id), -1)
) FROM streams s WHERE s.name = ?
"""


class _End(NamedTuple):
    """A stream's id, and the revision of its last entry."""

    stream: int
    revision: int


@dataclass(slots=True)
class Intake:
    """Puts entries into a new store as they are, each where it must stand behind the others."""

    connection: sqlite3.Connection
    position: int = -1
    events: int = 0
    _ends: dict[str, _End] = field(default_factory=dict)

    def put(self, entry: Entry) -> None:
        """Store an entry; raises `ValueError` if it cannot stand behind the ones before it."""
        if entry.position <= self.position:
            raise ValueError(f"position {entry.position} follows position {self.position}")
        if entry.position > LAST or entry.revision > TOMBSTONE:
            raise ValueError("its position or its number is larger than any can be")
        end = self._ends.get(entry.stream) or self._end(entry.stream)
        ended = end.revision == TOMBSTONE
        if ended or entry.revision not in {end.revision + 1, TOMBSTONE}:
            told = f"event {entry.revision} of {entry.stream!r} follows event {end.revision}"
            raise ValueError(f"{told}: events between are missing, or in another order")
        self._store(entry, end.stream)
        self.position = entry.position
        if len(self._ends) > MAX_HEADS:
            self._ends = {}
        self._ends[entry.stream] = _End(end.stream, entry.revision)

    def _store(self, entry: Entry, stream: int) -> None:
        place = entry.position, stream, entry.revision, entry.event_id
        if isinstance(entry, RecordedEvent):
            rest = entry.type, entry.data, entry.metadata, entry.recorded_at, entry.json
            self.connection.execute(_EVENT, (*place, *rest))
            self.events += 1
        else:
            digest = bytes.fromhex(entry.digest) or None
            self.connection.execute(_REMOVED, (*place, digest))

    def _end(self, stream: str) -> _End:
        row = self.connection.execute(_END, (stream,)).fetchone()
        if row is not None:
            return _End(*row)
        made = self.connection.execute(_ADD, (stream,)).lastrowid
        assert made is not None
        return _End(made, -1)
