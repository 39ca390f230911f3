"""What an address of a server must look like before it is handed to the client. Pure.

The form is that of EventStoreDB's connection strings:
`esdb://user:password@host:port,host:port?option=value&option=value`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlsplit

from runtime.errors import AddressUnusable
from runtime.store.opening import SCHEMES, shown

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]:(?P<six>\d{1,5})|[^:\[\]\s]+(:(?P<four>\d{1,5}))?)")
_MOST = 2**31 - 1


class _Rule(NamedTuple):
    holds: Callable[[str], bool]
    wanted: str


def _one_of(*values: str) -> _Rule:
    return _Rule(lambda text: text.lower() in values, f"one of {', '.join(values)}")


def _at_least(least: int) -> _Rule:
    return _Rule(
        lambda text: text.isascii() and text.isdecimal() and least <= int(text[:11]) <= _MOST,
        f"a whole number from {least} on",
    )


_TEXT = _Rule(bool, "a text")
_OPTIONS: Mapping[str, _Rule] = {
    "tls": _one_of("true", "false"),
    "connectionName": _TEXT,
    "maxDiscoverAttempts": _at_least(1),
    "discoveryInterval": _at_least(0),
    "gossipTimeout": _at_least(1),
    "nodePreference": _one_of("leader", "follower", "random", "readonlyreplica"),
    "tlsVerifyCert": _one_of("true", "false"),
    "defaultDeadline": _at_least(1),
    "keepAliveInterval": _at_least(1),
    "keepAliveTimeout": _at_least(1),
    "tlsCaFile": _TEXT,
    "userCertFile": _TEXT,
    "userKeyFile": _TEXT,
}
_NAMES = {name.lower(): name for name in _OPTIONS}


def check_address(address: str) -> None:
    """Raise `AddressUnusable` unless a client can make sense of `address`; tells no password.

    >>> check_address("esdb://ada:secret@db-1:2113,db-2?defaultDeadline=30")
    >>> check_address("esdb://db-1:2113?tls=false&defaultDeadline=-5")
    Traceback (most recent call last):
    runtime.errors.AddressUnusable: esdb://db-1:2113: defaultDeadline is '-5': give a whole number \
from 1 on
    """
    name = shown(address)
    if address.partition("://")[0] not in SCHEMES:
        raise AddressUnusable(f"{name} is no address of a store: begin it with esdb://")
    parts = _split(address, name)
    _check_hosts(parts, name)
    options = _options(parts.query, name)
    login = parts.netloc.rpartition("@")[0]
    if options.get("tls", "true").lower() == "true" and not all(login.partition(":")[::2]):
        raise AddressUnusable(
            f"{name} is reached over TLS and needs a user: write esdb://USER:PASSWORD@...,"
            " or tls=false for a server in plain text"
        )


def _split(address: str, name: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError as error:
        raise AddressUnusable(f"{name} is no address ({error}): correct it") from None


def _check_hosts(parts: SplitResult, name: str) -> None:
    hosts = [host.strip() for host in parts.netloc.rpartition("@")[2].split(",")]
    if parts.netloc.count("@") > 1:
        raise AddressUnusable(f"{name}: write @ of a user or password as %40")
    if not any(hosts):
        raise AddressUnusable(f"{name} names no host: write {parts.scheme}://HOST:PORT")
    for host in filter(None, hosts):
        found = _HOST.fullmatch(host)
        port = found and (found["six"] or found["four"] or "2113")
        if not port or not 0 < int(port) < 65536:
            raise AddressUnusable(f"{name}: {_culprit(parts, host)}")
    if parts.scheme == "esdb+discover" and len(hosts) > 1:
        raise AddressUnusable(f"{name}: esdb+discover:// takes one name; write esdb:// for several")


def _culprit(parts: SplitResult, host: str) -> str:
    """What is wrong with a host; where it may be half a password, without showing it."""
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        return "write /, ? and # of a user or password as %2F, %3F and %23"
    return f"{host!r} is no host: write HOST:PORT, as db-1:2113"


def _options(query: str, name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for given, value in parse_qsl(query, keep_blank_values=True):
        option = _NAMES.get(given.lower())
        if option is None:
            known = ", ".join(_OPTIONS)
            raise AddressUnusable(f"{name}: unknown option {given!r}; there are {known}")
        if option in found:
            raise AddressUnusable(f"{name}: {option} is given twice: give it once")
        if not _OPTIONS[option].holds(value):
            wanted = _OPTIONS[option].wanted
            raise AddressUnusable(f"{name}: {option} is {value!r}: give {wanted}")
        found[option] = value
    return found
