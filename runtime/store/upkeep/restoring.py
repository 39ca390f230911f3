"""A new store made of a backup: of all of it, or of its log up to a position or a time."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from os import PathLike
from pathlib import Path

from runtime.errors import PointMissing
from runtime.events import time_text
from runtime.store.connection import connect
from runtime.store.faults import translated
from runtime.store.limits import limit_streams
from runtime.store.migration import migrate
from runtime.store.query import LAST, last_position
from runtime.store.upkeep.backup import Copy, Progress, copy_store
from runtime.store.upkeep.check import require_sound
from runtime.store.upkeep.draft import drafted, sha256_of
from runtime.store.upkeep.logcheck import beheaded

_AFTER = "SELECT min(position) FROM events WHERE recorded_at > ?"
_BESIDE_THE_LOG = ("checkpoints", "snapshot_parts", "snapshots")
_FORGET_STREAMS = """
DELETE FROM streams WHERE truncate_before = 0 AND max_count IS NULL AND max_age IS NULL
    AND NOT EXISTS (SELECT 1 FROM events WHERE stream = streams.id)
    AND NOT EXISTS (SELECT 1 FROM scavenged WHERE stream = streams.id)
"""


def restore(
    source: str | PathLike[str],
    target: str | PathLike[str],
    *,
    position: int | None = None,
    time: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Copy:
    """Make a new store of the backup (or store) at `source`, of the present schema.

    With `position` it holds the log up to there (included), with `time` (ns) up to the
    first event that was recorded later, of both what is less; all as it was, positions and
    times too. Streams are limited as the metadata say that it holds. What stands beside
    the log says how far readers have come, not which part of the log they had seen by
    then: if anything of the log is left out, checkpoints and snapshots are too, and runs
    decide again from the beginning, to the same bytes. Epochs of fences are kept.

    It appears only when it is whole and was checked. Raises `PointMissing` if the log ends
    before `position`, begins after `time`, or has lost what a stream held there to a
    scavenge; and what `backup` does.
    """
    origin, place = Path(source).absolute().resolve(), Path(target).absolute()
    with drafted(place) as draft:
        whole = draft.with_name(f"{draft.name}.whole")
        copy_store(origin, whole, progress)
        require_sound(whole, origin)
        with translated(draft), closing(connect(whole, "rw")) as connection:
            migrate(connection)
            _cut(connection, _point(connection, position, time))
            _compact(connection, draft)
        checkup = require_sound(draft, origin)
        digest = sha256_of(draft)
    return Copy(place, checkup.events, checkup.position, digest)


def _point(connection: sqlite3.Connection, position: int | None, time: int | None) -> int:
    """The last position to keep."""
    end = last_position(connection) or 0
    if position is not None and not 0 <= position <= end:
        raise PointMissing(
            f"the log has no position {position}: it ends at {end}; give one from 0 to {end}"
        )
    point = end if position is None else position
    if time is None:
        return point
    later: int | None = connection.execute(_AFTER, (min(time, LAST),)).fetchone()[0]
    before = end if later is None else later - 1
    if not connection.execute("SELECT 1 FROM events WHERE position <= ?", (before,)).fetchone():
        raise PointMissing(f"the log has nothing as old as {time_text(time)}: give a later time")
    return min(point, before)


def _cut(connection: sqlite3.Connection, point: int) -> None:
    """Take away what is beyond `point`, in one transaction; nothing if nothing is."""
    if point >= (last_position(connection) or 0):
        return
    connection.execute("BEGIN IMMEDIATE")
    for table in ("events", "scavenged"):
        connection.execute(f"DELETE FROM {table} WHERE position > ?", (point,))  # noqa: S608
    for table in _BESIDE_THE_LOG:
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 (one of three names)
    limit_streams(connection)
    connection.execute(_FORGET_STREAMS)
    for stream, _ in beheaded(connection):
        raise PointMissing(
            f"all that stream {stream!r} held at position {point} was scavenged since:"
            " restore to a later position, or from a backup made before that"
        )
    connection.execute("COMMIT")


def _compact(connection: sqlite3.Connection, draft: Path) -> None:
    """Write what is left to `draft`, without free space."""
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("VACUUM INTO ?", (str(draft),))
    with closing(connect(draft, "rw")) as made:
        made.execute("PRAGMA journal_mode = WAL").fetchall()
