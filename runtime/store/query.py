"""What readers ask of the tables, page by page."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from operator import gt, lt
from typing import NamedTuple, TypeVar

from runtime.errors import FilterInvalid
from runtime.events import RecordedEvent
from runtime.store.expectation import Head
from runtime.store.pattern import check_pattern
from runtime.store.policy import Policy, described_by
from runtime.store.port import Filter
from runtime.store.schema import has_policies

PAGE = 1000
"""Events read at once; between pages no read transaction is open."""

PAGE_BYTES = 1024 * 1024
"""Bytes (data, metadata and types) at which a page ends, if it does not end before."""

MAX_TERMS = 500
"""Names and prefixes that one condition of a filter may list; SQLite takes no thousand."""


FEW = 20_000
"""Events of the streams that a filter names, up to which these are looked through, not the log."""

LAST = 2**63 - 2
"""The largest revision or position there can be; the next integer still fits SQLite."""

_EVENTS = """
SELECT e.position, s.name, e.revision, e.event_id, e.type, e.data, e.metadata, e.recorded_at,
    {json}
FROM events e CROSS JOIN streams s ON s.id = e.stream
"""
_STREAM = (
    f"{_EVENTS} WHERE e.stream = ? AND e.revision BETWEEN ? AND ? AND e.recorded_at >= ?"
    " ORDER BY e.revision {order} LIMIT ?"
)
_HEAD = """
SELECT id, (SELECT max(revision) FROM events WHERE stream = streams.id), {policy}
FROM streams WHERE name = ?
"""
_ORDER = {False: "ASC", True: "DESC"}
_FIND = f"{_EVENTS} WHERE e.event_id = ? ORDER BY e.position LIMIT 1"
_HEADS = """
SELECT e.position, s.name, e.revision, e.event_id, e.type, e.data, e.metadata, e.recorded_at,
    {json}
FROM streams s CROSS JOIN events e
    ON e.stream = s.id
    AND e.revision = (SELECT max(revision) FROM events WHERE stream = s.id)
WHERE {names} ORDER BY s.name LIMIT ?
"""
_OF_STREAMS = """
FROM streams s CROSS JOIN events e ON e.stream = s.id WHERE {names}
"""
_WITHIN = "e.position BETWEEN ? AND ?"
_AMONG = f"e.position IN (SELECT e.position {_OF_STREAMS} AND {_WITHIN})"
_COUNT = f"SELECT count(*) FROM (SELECT 1 {_OF_STREAMS} LIMIT ?)"  # noqa: S608 (place holders only)
_NAMES = """
SELECT s.name FROM streams s
WHERE {} AND EXISTS (SELECT 1 FROM events WHERE stream = s.id) ORDER BY s.name
"""
_WRITTEN = """
SELECT DISTINCT s.name FROM events e CROSS JOIN streams s ON s.id = e.stream
WHERE e.position BETWEEN ? AND ?
"""
_BOOKKEEPING = (
    "(s.name >= '$persistentsubscription-$all::' AND s.name < '$persistentsubscription-$all:;'"
    " AND (substr(s.name, -11) = '-checkpoint' OR substr(s.name, -7) = '-parked'))"
)
_OPEN, _METADATA = Policy(), Policy(max_count=1)

Row = tuple[int, str, int, bytes, str, bytes, bytes, int, int]
"""The fields of an event in their order; the last one is 1 where it is declared JSON."""

Key = TypeVar("Key", int, str)
Fetch = Callable[[Key, int], list[RecordedEvent]]
"""Reads the page that begins at a key, of that many events at the most, or of `PAGE_BYTES`."""


class Standing(NamedTuple):
    """A stream's id in the tables, its last revision (-1: no event) and its policy."""

    id: int
    revision: int
    policy: Policy = _OPEN

    def head(self, *, described: bool = False) -> Head:
        """What a judgement asks for; `described` says that the stream has metadata."""
        return Head(self.revision, self.policy.deleted, described)


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
        if len(page) < size and weight(page) < PAGE_BYTES:
            return
        left -= len(page)
        start = after(page[-1])


def weight(events: Iterable[RecordedEvent]) -> int:
    """The bytes that events count for against `PAGE_BYTES`."""
    return sum(_size(event.data, event.metadata, event.type) for event in events)


def _size(*texts: bytes | str) -> int:
    """Their length; what a damaged row holds instead counts for nothing."""
    try:
        return sum(map(len, texts))
    except TypeError:
        return sum(len(text) for text in texts if isinstance(text, bytes | str))


def stream_page(
    connection: sqlite3.Connection,
    stream: int,
    bounds: tuple[int, int],
    count: int,
    *,
    since: int = 0,
    backwards: bool,
) -> list[RecordedEvent]:
    """The first events of a stream (by its id), revisions within `bounds` (both included).

    They are `count`, or `PAGE_BYTES` if that is reached before, or all there are. Only those
    are read that were recorded at `since` (ns) or later. Raises `sqlite3.DatabaseError` if
    they do not come in order: the file is damaged.
    """
    sql = _STREAM.replace("{order}", _ORDER[backwards])
    page = _events(_rows(connection, sql, (stream, *bounds, since, count)))
    _check_order([event.revision for event in page], bounds, backwards=backwards)
    return page


def log_page(
    connection: sqlite3.Connection,
    bounds: tuple[int, int],
    count: int,
    only: Filter,
    *,
    backwards: bool,
    narrow: bool = False,
) -> list[RecordedEvent]:
    """The events of `log_rows`."""
    return _events(log_rows(connection, bounds, count, only, backwards=backwards, narrow=narrow))


def log_rows(
    connection: sqlite3.Connection,
    bounds: tuple[int, int],
    count: int,
    only: Filter,
    *,
    backwards: bool,
    narrow: bool = False,
) -> list[Row]:
    """The first events whose positions are within `bounds` (both included), as in `stream_page`.

    If `only` is `narrow`, the streams that it names are looked through, and not the log.
    Raises `FilterInvalid` if a pattern of `only` cannot be used, or if it lists too much,
    `sqlite3.DatabaseError` if the events do not come in order: the file is damaged.
    """
    condition, arguments = _condition(only)
    places, prefixes = _WITHIN, list[str]()
    if narrow:
        names, prefixes = _named(only)
        places = _AMONG.replace("{names}", names)
    order = _ORDER[backwards]
    sql = f"{_EVENTS} WHERE {places} AND {condition} ORDER BY e.position {order} LIMIT ?"
    try:
        page = _rows(connection, sql, (*prefixes, *bounds, *arguments, count))
    except sqlite3.OperationalError as error:
        if "user-defined function" not in str(error):
            raise
        patterns = f"{only.stream_pattern[:80]!r}, {only.type_pattern[:80]!r}"
        told = f"a name took too long to be matched with the patterns {patterns}"
        raise FilterInvalid(f"{told}: use simpler ones, or prefixes") from None
    _check_order([row[0] for row in page], bounds, backwards=backwards)
    return page


def is_narrow(connection: sqlite3.Connection, bounds: tuple[int, int], only: Filter) -> bool:
    """Whether the streams that `only` names hold few events, and there are many within `bounds`."""
    if not only.streams or bounds[1] - bounds[0] <= FEW:
        return False
    names, arguments = _named(only)
    counting = _COUNT.replace("{names}", names)
    held: int = connection.execute(counting, (*arguments, FEW + 1)).fetchone()[0]
    return held <= FEW


def head_page(
    connection: sqlite3.Connection, prefix: str, start: str, count: int
) -> list[RecordedEvent]:
    """The last events of streams from the name `start` on that `prefix` begins, up to a page."""
    names, arguments = name_range("s.name", prefix, start)
    return _events(_rows(connection, _HEADS.replace("{names}", names), (*arguments, count)))


def event_of_id(connection: sqlite3.Connection, event_id: bytes) -> RecordedEvent | None:
    """The first event of that id in the log."""
    return next(iter(_events(_rows(connection, _FIND, (event_id,)))), None)


def standing_of(connection: sqlite3.Connection, stream: str) -> Standing | None:
    """Where a stream stands, if it was ever written or described."""
    known = has_policies(connection)
    sql = _HEAD.format(policy="truncate_before, max_count, max_age" if known else "0, NULL, NULL")
    row = connection.execute(sql, (stream,)).fetchone()
    if row is None:
        return None
    number, revision, *limits = row
    policy = _OPEN if limits == [0, None, None] else Policy(*limits)
    if described_by(stream) is not None:
        policy = _METADATA
    return Standing(number, -1 if revision is None else revision, policy)


def last_position(connection: sqlite3.Connection) -> int | None:
    """The position of the last event of the log, if there is one."""
    position: int | None = connection.execute("SELECT max(position) FROM events").fetchone()[0]
    return position


def stream_names(connection: sqlite3.Connection, prefix: str) -> list[str]:
    """The names that begin with `prefix`, sorted by their UTF-8 bytes."""
    names, arguments = name_range("s.name", prefix, prefix)
    return [name for (name,) in connection.execute(_NAMES.format(names), arguments)]


def written_streams(connection: sqlite3.Connection, bounds: tuple[int, int]) -> set[str]:
    """The names of the streams of the events whose positions are within `bounds`."""
    return {name for (name,) in connection.execute(_WRITTEN, bounds)}


def cursor_of(connection: sqlite3.Connection, checkpoint: str) -> str | None:
    """The cursor of a checkpoint, if it was ever stored."""
    row: tuple[str] | None = connection.execute(
        "SELECT cursor FROM checkpoints WHERE name = ?", (checkpoint,)
    ).fetchone()
    return row[0] if row else None


def name_range(column: str, prefix: str, start: str) -> tuple[str, list[str]]:
    r"""The SQL condition on `column`, and its arguments, for names that begin with `prefix`.

    Only names from `start` on (included) are meant; it is the prefix or begins with it.

    >>> name_range("s.name", "agent-", "agent-7")
    ('(s.name >= ? AND s.name < ?)', ['agent-7', 'agent.'])
    >>> name_range("s.name", "", "")
    ('s.name >= ?', [''])
    >>> name_range("s.name", "a\U0010ffff", "a\U0010ffff")
    ('(s.name >= ? AND s.name < ?)', ['a\U0010ffff', 'b'])
    """
    base = prefix.rstrip("\U0010ffff")
    if not base:
        return f"{column} >= ?", [start]
    following = 0xE000 if base[-1] == "\ud7ff" else ord(base[-1]) + 1
    return f"({column} >= ? AND {column} < ?)", [start, base[:-1] + chr(following)]


def _named(only: Filter) -> tuple[str, list[str]]:
    """The SQL condition on the names of streams, and its arguments."""
    return _any_of([name_range("s.name", prefix, prefix) for prefix in only.streams])


def _condition(only: Filter) -> tuple[str, list[str]]:
    """The SQL condition that `only` sets, and its arguments."""
    conditions = [
        _named(only),
        _any_of([("e.type = ?", [kind]) for kind in only.types]),
        _any_of([name_range("e.type", prefix, prefix) for prefix in only.type_prefixes]),
        _found("s.name", only.stream_pattern),
        _found("e.type", only.type_pattern),
        (f"NOT {_BOOKKEEPING}" if only.hide_bookkeeping else "1", []),
    ]
    return " AND ".join(sql for sql, _ in conditions), [each for _, of in conditions for each in of]


def _any_of(conditions: list[tuple[str, list[str]]]) -> tuple[str, list[str]]:
    if not conditions:
        return "1", []
    if len(conditions) > MAX_TERMS:
        told = f"a filter lists {len(conditions)} names or prefixes, and may list {MAX_TERMS}"
        raise FilterInvalid(f"{told}: use a regular expression")
    sql = " OR ".join(condition for condition, _ in conditions)
    return f"({sql})", [each for _, of in conditions for each in of]


def _found(column: str, pattern: str) -> tuple[str, list[str]]:
    if not pattern:
        return "1", []
    check_pattern(pattern)
    return f"matches(?, {column})", [pattern]


def _check_order(numbers: list[int], bounds: tuple[int, int], *, backwards: bool) -> None:
    """Raise unless `numbers` are within `bounds`, each beyond the one before."""
    first, last = bounds[::-1] if backwards else bounds
    beyond, step = (gt, -1) if backwards else (lt, 1)
    if numbers and not all(map(beyond, [first - step, *numbers], [*numbers, last + step])):
        raise sqlite3.DatabaseError(f"events are out of order between {first} and {last}")


def _rows(connection: sqlite3.Connection, sql: str, arguments: tuple[object, ...]) -> list[Row]:
    column = "e.json" if has_policies(connection) else "1"
    rows = connection.execute(sql.replace("{json}", column), arguments)
    found: list[Row] = []
    size = 0
    for row in rows:
        found.append(row)
        size += _size(row[4], row[5], row[6])
        if size >= PAGE_BYTES:
            break
    rows.close()
    return found


def _events(rows: list[Row]) -> list[RecordedEvent]:
    return [
        RecordedEvent(position, stream, revision, event_id, kind, data, metadata, at, json == 1)
        for position, stream, revision, event_id, kind, data, metadata, at, json in rows
    ]


def bounded(start: int | None, default: int) -> int:
    """A place that SQLite can count to: `start`, or `default` if there is none."""
    return default if start is None else max(-1, min(start, LAST))
