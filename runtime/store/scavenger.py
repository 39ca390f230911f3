"""A scavenge of a whole store: what readers find to be removable, removed bit by bit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from runtime.store.group import Group
from runtime.store.pruning import Prune, Pruned, Shrink, prunable

STREAMS = 500
"""Streams that are looked at together."""

Borrow = Callable[[], AbstractContextManager[sqlite3.Connection]]
"""Lends a connection for reading."""

_NAMES = """
SELECT name FROM streams WHERE name > ? AND typeof(name) = 'text' ORDER BY name LIMIT ?
"""


def scavenge(borrow: Borrow, group: Group, now: int) -> Pruned:
    """Remove what is hidden for good at `now` (ns), then give the space back.

    Answers how many events were removed, and how many bytes of data and metadata they had.
    """
    events = size = 0
    for streams in _candidates(borrow, now):
        while (pruned := group.submit(Prune(streams, now))).events:
            events += pruned.events
            size += pruned.size
    while group.submit(Shrink()):
        pass
    return Pruned(events, size)


def _candidates(borrow: Borrow, now: int) -> Iterator[tuple[str, ...]]:
    """The names of streams of which something can be removed, a few hundred at a time."""
    names, last = [""], ""
    while names:
        with borrow() as connection:
            names = [name for (name,) in connection.execute(_NAMES, (last, STREAMS))]
            found = tuple(name for name in names if prunable(connection, name, now))
        if found:
            yield found
        last = names[-1] if names else last
