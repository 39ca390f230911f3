"""The limits that streams have in the tables: those that their metadata set."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from runtime.store.expectation import TOMBSTONE
from runtime.store.policy import Policy, described_by, read_policy

_PLAIN = """
UPDATE streams SET truncate_before = 0, max_count = NULL, max_age = NULL
WHERE truncate_before != 0 OR max_count IS NOT NULL OR max_age IS NOT NULL
"""
_ADD = "INSERT INTO streams (name) VALUES (?) ON CONFLICT DO NOTHING"
_LIMIT = "UPDATE streams SET truncate_before = ?, max_count = ?, max_age = ? WHERE name = ?"
_METADATA = """
SELECT s.name, (
    SELECT position FROM events
    WHERE stream = s.id AND revision < ? ORDER BY revision DESC LIMIT 1
) FROM streams s WHERE s.name >= '$$' AND s.name < '$%'
"""
_DATA = "SELECT data, json FROM events WHERE position = ?"


class Declared(NamedTuple):
    """A stream, the policy that the last of its metadata sets, and where that stands."""

    stream: str
    policy: Policy
    position: int


def declared_limits(connection: sqlite3.Connection) -> Iterator[Declared]:
    """The policy of each stream that has metadata, by the log."""
    for name, position in connection.execute(_METADATA, (TOMBSTONE,)):
        stream = described_by(name)
        if stream is not None and position is not None:
            data, json = connection.execute(_DATA, (position,)).fetchone()
            yield Declared(stream, read_policy(data if json else b""), position)


def limit_streams(connection: sqlite3.Connection) -> None:
    """Have each stream limited as the log says, in the transaction that is open."""
    connection.execute(_PLAIN)
    for stream, policy, _ in list(declared_limits(connection)):
        connection.execute(_ADD, (stream,))
        limits = policy.truncate_before, policy.max_count, policy.max_age
        connection.execute(_LIMIT, (*limits, stream))
