"""Opening a store by what a config or a command calls it: a file, or the address of a server."""

from __future__ import annotations

import os
import shlex
from os import PathLike
from pathlib import Path
from urllib.parse import SplitResult, quote, urlsplit

from runtime.errors import AddressUnusable
from runtime.store.port import EventStore
from runtime.store.sqlite import SqliteStore

SCHEMES = ("esdb", "esdb+discover")
"""The schemes of addresses, those of EventStoreDB's connection strings."""

VARIABLE = "LUCENT_STORE_PASSWORD"
"""The environment variable with the password of a user whom an address names without one."""


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

    return KurrentStore.open(_with_password(urlsplit(str(place))), writer=writer)


def is_address(place: str | PathLike[str]) -> bool:
    """Whether `place` is the address of a server, not a path.

    >>> is_address("esdb://db-1:2113"), is_address("esdb/events.db"), is_address(Path("a.db"))
    (True, False, False)
    """
    return isinstance(place, str) and place.partition("://")[0] in SCHEMES


def shown(place: str | PathLike[str]) -> str:
    """A path as it is, an address without user, password and options.

    >>> shown("esdb://ada:secret@db-1:2113,db-2:2113?tls=true"), shown(Path("events.db"))
    ('esdb://db-1:2113,db-2:2113', 'events.db')
    """
    if not is_address(place):
        return str(Path(place))
    parts = urlsplit(str(place))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def typed(place: str | PathLike[str]) -> str:
    """How a path or an address is typed in a shell; an address without its password.

    >>> typed("esdb://ada:secret@db-1:2113?tlsCaFile=ca.crt"), typed(Path("my events.db"))
    ("'esdb://ada@db-1:2113?tlsCaFile=ca.crt'", "'my events.db'")
    """
    if not is_address(place):
        return shlex.quote(str(Path(place)))
    parts = urlsplit(str(place))
    login, at, hosts = parts.netloc.rpartition("@")
    return shlex.quote(parts._replace(netloc=f"{login.partition(':')[0]}{at}{hosts}").geturl())


def _with_password(address: SplitResult) -> str:
    """The address with the password of its user, if it names one without it."""
    login, at, hosts = address.netloc.rpartition("@")
    if not at or ":" in login:
        return address.geturl()
    password = os.environ.get(VARIABLE)
    if password is None:
        raise AddressUnusable(f"{address.geturl()} names a user without password: set {VARIABLE}")
    return address._replace(netloc=f"{login}:{quote(password, safe='')}@{hosts}").geturl()
