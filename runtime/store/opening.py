"""Opening a store by what a config or a command calls it: a file, or the address of a server."""

from __future__ import annotations

import os
import re
import shlex
from os import PathLike
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from runtime.errors import AddressUnusable
from runtime.store.port import EventStore
from runtime.store.sqlite import SqliteStore

SCHEMES = ("esdb", "esdb+discover")
"""The schemes of addresses, those of EventStoreDB's connection strings."""

VARIABLE = "LUCENT_STORE_PASSWORD"
"""The environment variable with the password of a user whom an address names without one."""

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(?:([^/?#]*)@)?([^/?#]*)(.*)", re.DOTALL)


class _Parts(NamedTuple):
    """The pieces of an address; `login` is None where it names no user."""

    scheme: str
    login: str | None
    hosts: str
    rest: str

    @classmethod
    def of(cls, address: str) -> _Parts:
        found = _ADDRESS.fullmatch(address)
        assert found is not None
        return cls(*found.groups())

    def text(self, login: str | None) -> str:
        """The address with another login."""
        user = "" if login is None else f"{login}@"
        return f"{self.scheme}://{user}{self.hosts}{self.rest}"


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

    return KurrentStore.open(_with_password(str(place)), writer=writer)


def is_address(place: str | PathLike[str]) -> bool:
    """Whether `place` is the address of a server, also one that no store can be at, not a path.

    >>> is_address("esdb://db-1:2113"), is_address("esdb/events.db"), is_address(Path("a.db"))
    (True, False, False)
    """
    return isinstance(place, str) and _ADDRESS.fullmatch(place) is not None


def shown(place: str | PathLike[str]) -> str:
    """A path as it is, an address without user, password and options.

    >>> shown("esdb://ada:secret@db-1:2113,db-2:2113?tls=true"), shown(Path("events.db"))
    ('esdb://db-1:2113,db-2:2113', 'events.db')
    """
    if not is_address(place):
        return str(Path(place))
    parts = _Parts.of(str(place))
    hosts = "..." if "@" in parts.rest and ":" in parts.hosts and not parts.login else parts.hosts
    return f"{parts.scheme}://{hosts}"


def typed(place: str | PathLike[str]) -> str:
    """How a path or an address is typed in a shell; an address without its password.

    >>> typed("esdb://ada:secret@db-1:2113?tlsCaFile=ca.crt"), typed(Path("my events.db"))
    ("'esdb://ada@db-1:2113?tlsCaFile=ca.crt'", "'my events.db'")
    """
    if not is_address(place):
        return shlex.quote(str(Path(place)))
    parts = _Parts.of(str(place))
    login = None if parts.login is None else parts.login.partition(":")[0]
    return shlex.quote(parts.text(login))


def names_password(address: str) -> bool:
    """Whether an address holds the password of its user, or what may be half of one.

    >>> names_password("esdb://ada:secret@db-1:2113"), names_password("esdb://ada@db-1:2113")
    (True, False)
    """
    parts = _Parts.of(address)
    return ":" in (parts.login or "") or shown(address).endswith("://...")


def _with_password(address: str) -> str:
    """The address with the password of its user, if it names one without it."""
    parts = _Parts.of(address)
    if parts.scheme not in SCHEMES or parts.login is None or ":" in parts.login:
        return address
    password = os.environ.get(VARIABLE)
    if not password:
        raise AddressUnusable(f"{address} names a user without password: set {VARIABLE}")
    return parts.text(f"{parts.login}:{quote(password, safe='')}")
