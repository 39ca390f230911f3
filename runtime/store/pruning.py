"""Removing events that are hidden for good, a few in each transaction of the writer.

As a KurrentDB does it: the last event of a stream stays, of a stream with a tombstone only
that, of metadata the last. Positions and revisions of what stays are as they were. Streams
of the kind `system` stay whole: what a run records of itself is what all else is proven by.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import NamedTuple

from runtime.errors import MetadataInvalid
from runtime.events import RecordedEvent, kind_of
from runtime.identity import recorded_digest
from runtime.store.expectation import TOMBSTONE
from runtime.store.policy import Policy, described_by
from runtime.store.query import standing_of

MOST_EVENTS, MOST_BYTES = 512, 8 * 2**20
"""How much one transaction removes at the most (one event may be larger)."""

MOST_PAGES = 1024
"""Free pages given back to the file system in one transaction."""

_REMOVABLE = """
SELECT position FROM events
WHERE stream = ? AND revision < ? AND (revision < ? OR recorded_at < ?)
    AND typeof(event_id) = 'blob' AND typeof(type) = 'text'
    AND typeof(data) = 'blob' AND typeof(metadata) = 'blob'
ORDER BY revision LIMIT ?
"""
_EVENT = """
SELECT stream, revision, event_id, type, data, metadata, recorded_at FROM events
WHERE position = ?
"""
_KEEP = "INSERT INTO scavenged VALUES (?, ?, ?, ?, ?)"
_REMOVE = "DELETE FROM events WHERE position = ?"


@dataclass(frozen=True, slots=True)
class Prune:
    """Asks to remove what is hidden for good of `streams` at `now` (ns); takes its turn.

    As far as one transaction may: it is to be asked again until nothing is removed.
    """

    streams: tuple[str, ...]
    now: int


@dataclass(frozen=True, slots=True)
class Shrink:
    """Asks to give free pages back, as many as one transaction may."""


class Pruned(NamedTuple):
    """How many events were removed, and how many bytes of data and metadata they had."""

    events: int
    size: int


class Bounds(NamedTuple):
    """What may be removed of a stream: revisions below `last`, if one of two things holds.

    They are below `first`, or were recorded before `since` (ns).
    """

    last: int
    first: int
    since: int


def bounds_of(stream: str, revision: int, policy: Policy, now: int) -> Bounds | None:
    """What may be removed of a stream that stands at `revision`; None if nothing may.

    >>> bounds_of("a-1", 9, Policy(max_count=4), now=0)
    Bounds(last=9, first=6, since=0)
    """
    ended = revision == TOMBSTONE
    if revision < 1 or kind_of(stream) == "system" or (ended and described_by(stream)):
        return None
    first = revision if ended else policy.first(revision)
    since = 0 if policy.max_age is None else now - policy.max_age * 10**9
    return Bounds(revision, first, since) if first > 0 or since > 0 else None


def prunable(connection: sqlite3.Connection, stream: str, now: int) -> bool:
    """Whether there is anything to remove of `stream` at `now` (ns)."""
    return bool(_removable(connection, stream, now, 1))


def prune(connection: sqlite3.Connection, request: Prune) -> Pruned:
    """Remove what `request` asks for, in the transaction that is open."""
    events = size = 0
    for stream in request.streams:
        for position in _removable(connection, stream, request.now, MOST_EVENTS - events):
            size += _remove(connection, stream, position)
            events += 1
            if size >= MOST_BYTES:
                return Pruned(events, size)
        if events == MOST_EVENTS:
            break
    return Pruned(events, size)


def shrink(connection: sqlite3.Connection) -> int:
    """Give up to `MOST_PAGES` free pages back; answers how many it gave.

    A store that an older Lucent made has them used again instead.
    """
    before = _free_pages(connection)
    for _ in range(min(before, MOST_PAGES)):
        connection.execute("PRAGMA incremental_vacuum(1)")  # sqlite3 makes one step of it
    return before - _free_pages(connection)


def _removable(connection: sqlite3.Connection, stream: str, now: int, most: int) -> list[int]:
    """The positions of up to `most` events that may be removed of `stream`."""
    found = standing_of(connection, stream)
    bounds = None if found is None else bounds_of(stream, found.revision, found.policy, now)
    if found is None or bounds is None:
        return []
    rows = connection.execute(_REMOVABLE, (found.id, *bounds, most))
    return [position for (position,) in rows]


def _remove(connection: sqlite3.Connection, stream: str, position: int) -> int:
    """Remove the event at `position`; answers how many bytes of data and metadata it had."""
    number, *fields = connection.execute(_EVENT, (position,)).fetchone()
    event = RecordedEvent(position, stream, *fields)
    place = position, number, event.revision, event.event_id
    connection.execute(_KEEP, (*place, _digest(event)))
    connection.execute(_REMOVE, (position,))
    return len(event.data) + len(event.metadata)


def _digest(event: RecordedEvent) -> bytes | None:
    try:
        return bytes.fromhex(recorded_digest(event))
    except MetadataInvalid:
        return None


def _free_pages(connection: sqlite3.Connection) -> int:
    count: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
    return count
