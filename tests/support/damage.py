"""Damaging copies of a store, behind the back of the runtime."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from runtime.events import NewEvent
from runtime.identity import draft, seal
from runtime.jobs.verification import Verdict, verify_store

Sign = Callable[[bytes], bytes]
Edit = Callable[[sqlite3.Connection], object]


class Stored(NamedTuple):
    """A row of the events table, with the name of its stream."""

    position: int
    stream: str
    revision: int
    event_id: bytes
    type: str
    data: bytes
    metadata: bytes

    @property
    def unsigned(self) -> bytes:
        """The metadata up to the signature."""
        return self.metadata[: self.metadata.rindex(b',"signature":"')]


ALL = """
SELECT position, name, revision, event_id, type, data, metadata
FROM events JOIN streams ON streams.id = events.stream ORDER BY position
"""


def stored(path: Path) -> list[Stored]:
    """All events of a store, in log order."""
    with closing(sqlite3.connect(path)) as connection:
        return [Stored(*row) for row in connection.execute(ALL)]


def stream_of(path: Path, stream: str) -> list[Stored]:
    """The events of one stream."""
    return [event for event in stored(path) if event.stream == stream]


def some(path: Path) -> list[Stored]:
    """The first and the last event of each stream, and one between them."""
    events = stored(path)
    lengths = {event.stream: event.revision for event in events}
    return [one for one in events if one.revision in (0, 1, lengths[one.stream])]


def damaged(path: Path, *edits: Edit) -> Path:
    """A copy of a store, edited; one and the same file each time."""
    copy = path.with_name("damaged.db")
    for suffix in ("", "-wal", "-shm"):
        copy.with_name(copy.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(path, copy)
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        for edit in edits:
            edit(connection)
    return copy


def setting(position: int, **columns: object) -> Edit:
    """Set columns of the event at a position."""

    def edit(connection: sqlite3.Connection) -> None:
        for name, value in columns.items():
            cast = "CAST(? AS TEXT)" if name == "type" and isinstance(value, bytes) else "?"
            sql = f"UPDATE events SET {name} = {cast} WHERE position = ?"
            connection.execute(sql, (value, position))

    return edit


def renaming(stream: str, name: bytes) -> Edit:
    """Give a stream another name."""
    sql = "UPDATE streams SET name = CAST(? AS TEXT) WHERE name = ?"
    return lambda connection: connection.execute(sql, (name, stream))


def dropping(position: int) -> Edit:
    """Drop the event at a position."""
    return lambda connection: connection.execute(
        "DELETE FROM events WHERE position = ?", (position,)
    )


def dropping_stream(stream: str) -> Edit:
    """Drop a stream, its name included."""

    def edit(connection: sqlite3.Connection) -> None:
        chosen = "(SELECT id FROM streams WHERE name = ?)"
        connection.execute(f"DELETE FROM events WHERE stream = {chosen}", (stream,))
        connection.execute("DELETE FROM streams WHERE name = ?", (stream,))

    return edit


def closing_up(stream: str, revision: int) -> Edit:
    """Renumber the events behind a dropped one."""
    return lambda connection: connection.execute(
        "UPDATE events SET revision = revision - 1 WHERE revision > ?"
        " AND stream = (SELECT id FROM streams WHERE name = ?)",
        (revision, stream),
    )


def adding(event: Stored) -> Edit:
    """Add an event, and its stream if there is none of that name."""

    def edit(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT OR IGNORE INTO streams (name) VALUES (?)", (event.stream,))
        connection.execute(
            "INSERT INTO events SELECT ?, id, ?, ?, ?, ?, ?, 0, 1 FROM streams WHERE name = ?",
            (event.position, *event[2:], event.stream),
        )

    return edit


def contents(event: Stored) -> dict[str, object]:
    """What an event holds, without its place."""
    return {name: getattr(event, name) for name in ("event_id", "type", "data", "metadata")}


def signed(event: Stored, sign: Sign, unsigned: bytes | None = None) -> Stored:
    """The event signed anew, perhaps with other metadata."""
    metadata = event.unsigned if unsigned is None else unsigned
    new = NewEvent(event.event_id, event.type, event.data, metadata)
    sealed = seal(draft(event.stream, event.revision, new), sign)
    return event._replace(metadata=sealed.metadata)


def assert_found(path: Path, stream: str, revision: int, **pins: object) -> Verdict:
    """Verify finds damage in `stream`, first at or before `revision`."""
    verdict = verify_store(path, **pins)  # type: ignore[arg-type]
    places = {damage.stream: damage.revision for damage in verdict.damages}
    assert stream in places, f"nothing found in {stream}, but {[*map(str, verdict.damages)]}"
    assert 0 <= places[stream] <= revision
    return verdict
