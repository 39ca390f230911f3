"""Checking a whole store file, while a writer may be at work."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from runtime.errors import StoreDamaged
from runtime.store.connection import connect
from runtime.store.faults import translated
from runtime.store.schema import check_present, check_tables, has_scavenged, schema_version
from runtime.store.soundness import check_parts
from runtime.store.upkeep.findings import MOST_FINDINGS, Checkup, Finding, Findings
from runtime.store.upkeep.logcheck import event_forms, known_twice, policies, sequences
from runtime.store.upkeep.statecheck import checkpoints, fences, snapshots

Check = Callable[[sqlite3.Connection], Iterator[Finding]]


class _Extent(NamedTuple):
    events: int
    scavenged: int
    streams: int
    position: int


def check(path: str | PathLike[str]) -> Checkup:
    """Check the store at `path`; it is opened for reading only.

    Reads all of it, as of one moment: SQLite's own structures, foreign keys, and what
    SQLite cannot know. Raises `StoreMissing`, `StoreForbidden`, `StoreTooNew`, or
    `StoreDamaged` for a file that is no store or in which nothing more can be read.
    """
    place = Path(path).absolute().resolve()
    return _check(place, place)


def require_sound(path: Path, origin: Path) -> Checkup:
    """The checkup of the store at `path`, which was made of `origin`, if it is sound.

    Raises `StoreDamaged` with the first finding otherwise, and names the origin.
    """
    checkup = _check(path, origin)
    if not checkup.sound:
        found = checkup.findings[0]
        raise StoreDamaged(f"{origin} is not sound: {found}; see 'lucent store check'")
    return checkup


def _check(path: Path, shown: Path) -> Checkup:
    with translated(shown):
        check_present(path)
        with closing(connect(path, "ro")) as connection:
            check_tables(connection, shown)
            check_parts(connection, shown)
            connection.execute("BEGIN")
            return _checkup(connection)


def _checkup(connection: sqlite3.Connection) -> Checkup:
    findings = Findings()
    findings.add(_structure(connection))
    extent = _Extent(0, 0, 0, -1)
    try:
        extent = _extent(connection)
        for look in _checks(connection):
            findings.add(look(connection))
    except sqlite3.DatabaseError:
        if not findings.told:
            raise
    schema = schema_version(connection)
    return Checkup(schema, *extent, tuple(findings.told), findings.more)


def _checks(connection: sqlite3.Connection) -> list[Check]:
    version = schema_version(connection)
    checks: list[Check] = [_references, event_forms, sequences, checkpoints]
    if version >= 2:
        checks += [snapshots, fences]
    if version >= 3:
        checks.append(policies)
    if version >= 4:
        checks.append(known_twice)
    return checks


def _structure(connection: sqlite3.Connection) -> Iterator[Finding]:
    for (told,) in connection.execute(f"PRAGMA integrity_check({MOST_FINDINGS})"):
        if told != "ok":
            yield Finding("the file", " ".join(told.split()))


def _references(connection: sqlite3.Connection) -> Iterator[Finding]:
    for table, row, target, _ in connection.execute("PRAGMA foreign_key_check"):
        at = row if table in {"events", "scavenged"} else -1
        yield Finding(f"table {table}", f"row {row} refers to {target}, which has no such row", at)


def _extent(connection: sqlite3.Connection) -> _Extent:
    def count(sql: str) -> int:
        found: int = connection.execute(sql).fetchone()[0]
        return found

    return _Extent(
        count("SELECT count(*) FROM events"),
        count("SELECT count(*) FROM scavenged") if has_scavenged(connection) else 0,
        count("SELECT count(*) FROM streams s WHERE id IN (SELECT stream FROM events)"),
        count("SELECT coalesce(max(position), -1) FROM events"),
    )
