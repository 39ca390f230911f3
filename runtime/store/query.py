"""What readers ask of the tables, page by page."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import TypeVar

from runtime.events import RecordedEvent
from runtime.store.port import Filter

PAGE = 1000
"""Events read at once; between pages no read transaction is open."""

LAST = 2**63 - 2
"""The largest revision or position there can be; the next integer still fits SQLite."""

_EVENTS = """
SELECT e.position, s.name, e.revision, e.event_id, e.type, e.data, e.metadata, e.recorded_at
FROM events e CROSS JOIN streams s ON s.id = e.stream
"""
_STREAM = f"{_EVENTS} WHERE e.stream = ? AND e.revision BETWEEN ? AND ?"
_ORDER = {False: "ASC", True: "DESC"}
_FIND = f"{_EVENTS} WHERE e.event_id = ? ORDER BY e.position LIMIT 1"
_HEADS = """
SELECT e.position, s.name, e.revision, e.event_id, e.type, e.data, e.metadata, e.recorded_at
FROM streams s CROSS JOIN events e
    ON e.stream = s.id
    AND e.revision = (SELECT max(revision) FROM events WHERE stream = s.id)
WHERE {} ORDER BY s.name LIMIT ?
"""
_NAMES = "SELECT s.name FROM streams s WHERE {} ORDER BY s.name"

Key = TypeVar("Key", int, str)
Fetch = Callable[[Key, int], list[RecordedEvent]]
"""Reads the page that begins at a key, of that many events at the most."""


def paged(
    fetch: Fetch[Key], start: Key, limit: int | None, after: Callable[[RecordedEvent], Key]
) -> Iterator[RecordedEvent]:
    """The events that `fetch` finds from `start` on, `limit` at the most.

    `after` tells the key at which the page after an event begins.
    """
    left = LAST if limit is None else limit
    size = PAGE
    while left > 0:
        size = min(PAGE, left)
        page = fetch(start, size)
        yield from page
        if len(page) < size:
            return
        left -= size
        start = after(page[-1])


def stream_page(
    connection: sqlite3.Connection,
    stream: int,
    bounds: tuple[int, int],
    count: int,
    *,
    backwards: bool,
) -> list[RecordedEvent]:
    """Up to `count` events of a stream (by its id), revisions within `bounds` (both included)."""
    sql = f"{_STREAM} ORDER BY e.revision {_ORDER[backwards]} LIMIT ?"
    return _events(connection, sql, (stream, *bounds, count))


def log_page(
    connection: sqlite3.Connection,
    bounds: tuple[int, int],
    count: int,
    only: Filter,
    *,
    backwards: bool,
) -> list[RecordedEvent]:
    """Up to `count` events whose positions are within `bounds` (both included)."""
    names, arguments = _any_prefix(only)
    types = f"e.type IN ({', '.join('?' * len(only.types))})" if only.types else "1"
    sql = (
        f"{_EVENTS} WHERE e.position BETWEEN ? AND ? AND {names} AND {types}"
        f" ORDER BY e.position {_ORDER[backwards]} LIMIT ?"
    )
    return _events(connection, sql, (*bounds, *arguments, *only.types, count))


def head_page(
    connection: sqlite3.Connection, prefix: str, start: str, count: int
) -> list[RecordedEvent]:
    """The last events of up to `count` streams from the name `start` on that `prefix` begins."""
    names, arguments = name_range(prefix, start)
    return _events(connection, _HEADS.format(names), (*arguments, count))


def event_of_id(connection: sqlite3.Connection, event_id: bytes) -> RecordedEvent | None:
    """The first event of that id in the log."""
    return next(iter(_events(connection, _FIND, (event_id,))), None)


def head_of(connection: sqlite3.Connection, stream: str) -> tuple[int, int] | None:
    """The id and the last revision of a stream, if it was ever written."""
    row: tuple[int, int] | None = connection.execute(
        "SELECT id, (SELECT max(revision) FROM events WHERE stream = streams.id)"
        " FROM streams WHERE name = ?",
        (stream,),
    ).fetchone()
    return row


def last_position(connection: sqlite3.Connection) -> int | None:
    """The position of the last event of the log, if there is one."""
    position: int | None = connection.execute("SELECT max(position) FROM events").fetchone()[0]
    return position


def stream_names(connection: sqlite3.Connection, prefix: str) -> list[str]:
    """The names that begin with `prefix`, sorted by their UTF-8 bytes."""
    names, arguments = name_range(prefix, prefix)
    return [name for (name,) in connection.execute(_NAMES.format(names), arguments)]


def cursor_of(connection: sqlite3.Connection, checkpoint: str) -> str | None:
    """The cursor of a checkpoint, if it was ever stored."""
    row: tuple[str] | None = connection.execute(
        "SELECT cursor FROM checkpoints WHERE name = ?", (checkpoint,)
    ).fetchone()
    return row[0] if row else None


def name_range(prefix: str, start: str) -> tuple[str, list[str]]:
    r"""The SQL condition on `s.name`, and its arguments, for names that begin with `prefix`.

    Only names from `start` on (included) are meant; it is the prefix or begins with it.

    >>> name_range("agent-", "agent-7")
    ('(s.name >= ? AND s.name < ?)', ['agent-7', 'agent.'])
    >>> name_range("", "")
    ('s.name >= ?', [''])
    >>> name_range("a\U0010ffff", "a\U0010ffff")
    ('(s.name >= ? AND s.name < ?)', ['a\U0010ffff', 'b'])
    """
    base = prefix.rstrip("\U0010ffff")
    if not base:
        return "s.name >= ?", [start]
    following = 0xE000 if base[-1] == "\ud7ff" else ord(base[-1]) + 1
    return "(s.name >= ? AND s.name < ?)", [start, base[:-1] + chr(following)]


def _any_prefix(only: Filter) -> tuple[str, list[str]]:
    conditions: list[str] = []
    arguments: list[str] = []
    for prefix in only.streams:
        condition, bounds = name_range(prefix, prefix)
        conditions.append(condition)
        arguments += bounds
    return f"({' OR '.join(conditions)})" if conditions else "1", arguments


def _events(
    connection: sqlite3.Connection, sql: str, arguments: tuple[object, ...]
) -> list[RecordedEvent]:
    return [RecordedEvent(*row) for row in connection.execute(sql, arguments)]
