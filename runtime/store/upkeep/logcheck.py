"""Checks of the log: the form of events, the order within streams, the limits of streams."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from runtime.store.expectation import TOMBSTONE
from runtime.store.limits import declared_limits
from runtime.store.policy import TOMBSTONE_TYPE, Policy, metastream
from runtime.store.schema import has_scavenged
from runtime.store.upkeep.findings import Finding

_FORMS = """
SELECT e.position, coalesce(s.name, '?'), e.revision, CASE
    WHEN typeof(e.event_id) != 'blob' OR length(e.event_id) != 16 THEN 'its id is not of 16 bytes'
    WHEN typeof(e.type) != 'text' OR e.type = '' THEN 'it has no type'
    WHEN typeof(e.data) != 'blob' THEN 'its data are not bytes'
    WHEN typeof(e.metadata) != 'blob' THEN 'its metadata are not bytes'
    WHEN typeof(e.recorded_at) != 'integer' THEN 'it has no time'
    WHEN typeof(e.revision) != 'integer' OR e.revision < 0 THEN 'it has no revision'
    WHEN e.position < 0 THEN 'its position is negative'
    END AS what
FROM events e LEFT JOIN streams s ON s.id = e.stream WHERE what IS NOT NULL
"""
_EVENTS = "SELECT stream, revision, position FROM events"
_BOTH = """
SELECT stream, revision, position FROM events
UNION ALL SELECT stream, revision, position FROM scavenged
"""
_SEQUENCES = """
SELECT coalesce(s.name, '?'), o.revision, o.position, o.before, o.place FROM (
    SELECT stream, revision, position,
        lag(revision, 1, -1) OVER places AS before,
        lag(position, 1, -1) OVER places AS place
    FROM ({entries}) WHERE typeof(revision) = 'integer'
    WINDOW places AS (PARTITION BY stream ORDER BY revision)
) o LEFT JOIN streams s ON s.id = o.stream
WHERE o.position <= o.place OR (o.revision != o.before + 1 AND o.revision != ?)
"""
_TWICE = """
SELECT g.position, s.name FROM scavenged g JOIN streams s ON s.id = g.stream
WHERE EXISTS (SELECT 1 FROM events WHERE position = g.position)
    OR EXISTS (SELECT 1 FROM events WHERE stream = g.stream AND revision = g.revision)
"""
_ENDED = """
SELECT s.name, g.position FROM scavenged g JOIN streams s ON s.id = g.stream
WHERE NOT EXISTS (SELECT 1 FROM events WHERE stream = g.stream AND revision > g.revision)
    AND g.revision = (SELECT max(revision) FROM scavenged WHERE stream = g.stream)
"""
_TOMBSTONES = """
SELECT s.name, e.position FROM streams s JOIN events e ON e.stream = s.id AND e.revision = ?
WHERE e.type != ?
"""
_LIMITS = """
SELECT name, truncate_before, max_count, max_age FROM streams
WHERE truncate_before != 0 OR max_count IS NOT NULL OR max_age IS NOT NULL
"""
_LIMIT = "SELECT truncate_before, max_count, max_age FROM streams WHERE name = ?"


def event_forms(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Events whose fields are of another type or length than they can be."""
    for position, stream, revision, what in connection.execute(_FORMS):
        yield Finding(str(stream), f"event {revision}: {what}", position)


def sequences(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Streams whose revisions have gaps that no scavenge left, or stand out of order."""
    entries = _BOTH if has_scavenged(connection) else _EVENTS
    rows = connection.execute(_SEQUENCES.replace("{entries}", entries), (TOMBSTONE,))
    for stream, revision, position, before, place in rows:
        if position <= place:
            said = f"event {revision} stands before event {before} (position {place}) in the log"
        elif before < 0:
            said = f"it begins with event {revision}: events were lost"
        else:
            said = f"event {revision} follows event {before}: events were lost"
        yield Finding(str(stream), said, position)
    for stream, position in connection.execute(_TOMBSTONES, (TOMBSTONE, TOMBSTONE_TYPE)):
        yield Finding(str(stream), "its last event has the number of a tombstone", position)


def known_twice(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Places that hold an event and are said to be scavenged, and streams scavenged to the end."""
    for position, stream in connection.execute(_TWICE):
        yield Finding(str(stream), "the event is there, but is said to be scavenged", position)
    for stream, position in beheaded(connection):
        yield Finding(str(stream), "its last event is gone, which no scavenge removes", position)


def beheaded(connection: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    """Streams of which the last entry is a removed event, and its position."""
    yield from connection.execute(_ENDED)


def policies(connection: sqlite3.Connection) -> Iterator[Finding]:
    """Streams whose limits are not those that the last event of their metadata sets."""
    for stream, policy, position in declared_limits(connection):
        row = connection.execute(_LIMIT, (stream,)).fetchone()
        stored = Policy() if row is None else Policy(*row)
        if stored != policy:
            yield Finding(stream, f"it is under {stored}, its metadata set {policy}", position)
    for stream, *limits in connection.execute(_LIMITS):
        if not _described(connection, stream):
            yield Finding(str(stream), f"it is under {Policy(*limits)}, but has no metadata")


def _described(connection: sqlite3.Connection, stream: str) -> bool:
    sql = "SELECT 1 FROM events WHERE stream = (SELECT id FROM streams WHERE name = ?)"
    return connection.execute(sql, (metastream(stream),)).fetchone() is not None
