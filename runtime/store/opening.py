"""Opening a store by what a config or a command calls it: a file, or the address of a server."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from urllib.parse import urlsplit

from runtime.store.port import EventStore
from runtime.store.sqlite import SqliteStore

SCHEMES = ("esdb", "esdb+discover")
"""The schemes of addresses, those of EventStoreDB's connection strings."""


def open_store(
    place: str | PathLike[str], *, writer: bool = False, wait: float = 0.0
) -> EventStore:
    """Open the store at `place`: a path, or an address such as `esdb://db-1:2113?tls=true`.

    A file is made if it is missing and `writer` is set; `wait` is how many seconds to wait
    for another writer of it. Raises what `SqliteStore.open` and `KurrentStore.open` do.
    """
    if not is_address(place):
        return SqliteStore.open(place, writer=writer, wait=wait)
    from runtime.store.kurrent import KurrentStore  # noqa: PLC0415 (takes a second to import)

    return KurrentStore.open(str(place), writer=writer)


def is_address(place: str | PathLike[str]) -> bool:
    """Whether `place` is the address of a server, not a path.

    >>> is_address("esdb://db-1:2113"), is_address("esdb/events.db"), is_address(Path("a.db"))
    (True, False, False)
    """
    return isinstance(place, str) and place.partition("://")[0] in SCHEMES


def shown(place: str | PathLike[str]) -> str:
    """A path as it is, an address without user and password.

    >>> shown("esdb://ada:secret@db-1:2113,db-2:2113?tls=true"), shown(Path("events.db"))
    ('esdb://db-1:2113,db-2:2113', 'events.db')
    """
    if not is_address(place):
        return str(Path(place))
    parts = urlsplit(str(place))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
