"""The log as it was written, page by page: events, and what is kept of those removed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from itertools import islice

from runtime.events import Entry, RecordedEvent, Scavenged
from runtime.store.expectation import TOMBSTONE
from runtime.store.port import Filter
from runtime.store.query import LAST, PAGE, PAGE_BYTES, log_page, stream_page, weight
from runtime.store.schema import has_scavenged

_SCAVENGED = """
SELECT g.position, s.name, g.revision, g.event_id, g.digest
FROM scavenged g CROSS JOIN streams s ON s.id = g.stream
"""
_OF_STREAM = f"{_SCAVENGED} WHERE g.stream = ? AND g.revision >= ? ORDER BY g.revision LIMIT ?"
_OF_LOG = f"{_SCAVENGED} WHERE g.position >= ? ORDER BY g.position LIMIT ?"
_FIND = f"{_SCAVENGED} WHERE g.event_id = ? ORDER BY g.position LIMIT 1"
_EVERYTHING = Filter()


def read_entries(
    fetch: Callable[[int, int], list[Entry]], start: int, limit: int | None, *, of_log: bool
) -> Iterator[Entry]:
    """The entries that `fetch` finds, page by page, from a position or else a revision on.

    `limit` at the most.
    """
    left = LAST if limit is None else limit
    while left > 0 and (page := fetch(start, min(PAGE, left))):
        yield from page
        left -= len(page)
        last = page[-1].position if of_log else page[-1].revision
        if last == TOMBSTONE:
            return
        start = last + 1


def stream_entries(
    connection: sqlite3.Connection, stream: int, start: int, count: int
) -> list[Entry]:
    """Up to `count` entries of a stream (by its id), from revision `start` on.

    As of one moment: opens a transaction of its own, as `log_entries` does.
    """
    connection.execute("BEGIN")
    events = stream_page(connection, stream, (start, TOMBSTONE), count, backwards=False)
    page = _merged(count, events, _scavenged(connection, _OF_STREAM, (stream, start, count)))
    connection.execute("COMMIT")
    return page


def log_entries(connection: sqlite3.Connection, start: int, count: int) -> list[Entry]:
    """Up to `count` entries of the log, from position `start` on."""
    connection.execute("BEGIN")
    events = log_page(connection, (start, LAST), count, _EVERYTHING, backwards=False)
    page = _merged(count, events, _scavenged(connection, _OF_LOG, (start, count)))
    connection.execute("COMMIT")
    return page


def scavenged_of_id(connection: sqlite3.Connection, event_id: bytes) -> Scavenged | None:
    """What is kept of the first event of that id that was removed."""
    return next(iter(_scavenged(connection, _FIND, (event_id,))), None)


def _scavenged(
    connection: sqlite3.Connection, sql: str, arguments: tuple[object, ...]
) -> list[Scavenged]:
    if not has_scavenged(connection):
        return []
    return [
        Scavenged(position, stream, revision, event_id, (digest or b"").hex())
        for position, stream, revision, event_id, digest in connection.execute(sql, arguments)
    ]


def _merged(
    count: int, events: Sequence[RecordedEvent], removed: Sequence[Scavenged]
) -> list[Entry]:
    """The first of both, `count` at the most, up to where the page of events may have been cut."""
    cut = events and weight(events) >= PAGE_BYTES
    last = events[-1].position if cut else LAST
    before = [one for one in removed if one.position < last]
    pages: tuple[Sequence[Entry], Sequence[Entry]] = (events, before)
    return list(islice(merge(*pages, key=lambda entry: entry.position), count))
