"""To whom a stream is open: access lists, and which of them govern an act. Pure.

The lists are KurrentDB's: `$acl` in a stream's metadata; for streams that say nothing of an
act the stream `$settings` (`$userStreamAcl`, `$systemStreamAcl`); for what that leaves open,
user streams are open to everybody and system streams, whose names begin with `$`, to
administrators. The list of the whole log is in the metadata stream `$$$all`. What cannot be
read says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, TypeVar

import msgspec

from runtime.store.access.caller import ADMINS, EVERYBODY, Caller
from runtime.store.policy import ALL, described_by

_Names = str | list[str] | None
S = TypeVar("S", bound=msgspec.Struct)


class Act(Enum):
    """What a caller may do with a stream, by the key of the access list that allows it."""

    READ = "$r"
    WRITE = "$w"
    DELETE = "$d"
    READ_METADATA = "$mr"
    WRITE_METADATA = "$mw"


class Governed(NamedTuple):
    """What is decided about: an act, and the stream whose access list speaks of it."""

    act: Act
    stream: str


@dataclass(frozen=True, slots=True)
class Acl:
    """To which users and groups each act is open; what is not there is not spoken of."""

    open_to: Mapping[Act, frozenset[str]] = field(default_factory=dict)

    def allows(self, caller: Caller, act: Act) -> bool:
        """Whether `act` is open to `caller`; administrators need no list."""
        return caller.administers or not self.open_to.get(act, frozenset()).isdisjoint(caller.roles)

    def over(self, other: Acl) -> Acl:
        """This list, and the other one for acts that this one does not speak of."""
        return Acl({**other.open_to, **self.open_to}) if self.open_to else other

    def size(self) -> int:
        """The length of all names that it holds, in characters."""
        return sum(len(name) for names in self.open_to.values() for name in names)


_TO_EVERYBODY, _TO_ADMINS = (
    Acl(dict.fromkeys(Act, frozenset((group,)))) for group in (EVERYBODY, ADMINS)
)


@dataclass(frozen=True, slots=True)
class Defaults:
    """The lists of streams that say nothing: of user streams, and of system streams."""

    user: Acl = _TO_EVERYBODY
    system: Acl = _TO_ADMINS

    def of(self, stream: str) -> Acl:
        """The list of `stream`, if it has none of its own."""
        return self.system if stream.startswith("$") else self.user


class _Rights(msgspec.Struct):
    read: _Names = msgspec.field(default=None, name="$r")
    write: _Names = msgspec.field(default=None, name="$w")
    delete: _Names = msgspec.field(default=None, name="$d")
    read_metadata: _Names = msgspec.field(default=None, name="$mr")
    write_metadata: _Names = msgspec.field(default=None, name="$mw")


class _Metadata(msgspec.Struct):
    rights: _Rights | None = msgspec.field(default=None, name="$acl")


class _Settings(msgspec.Struct):
    user: _Rights | None = msgspec.field(default=None, name="$userStreamAcl")
    system: _Rights | None = msgspec.field(default=None, name="$systemStreamAcl")


def governed(act: Act, stream: str) -> Governed | None:
    """What is decided about when `act` is asked for on `stream`; None if it is open to nobody.

    Metadata streams are governed by what the stream that they describe says of metadata.

    >>> governed(Act.WRITE, "$$agent-7")
    Governed(act=<Act.WRITE_METADATA: '$mw'>, stream='agent-7')
    >>> governed(Act.DELETE, "$$agent-7"), governed(Act.WRITE, "$all")
    (None, None)
    """
    if stream == ALL and act in (Act.WRITE, Act.DELETE):
        return None
    described = described_by(stream)
    if described is None:
        return Governed(act, stream)
    of_metadata = {Act.READ: Act.READ_METADATA, Act.WRITE: Act.WRITE_METADATA}
    return Governed(of_metadata[act], described) if act in of_metadata else None


def read_acl(metadata: bytes) -> Acl:
    """The access list that the metadata of a stream hold.

    >>> read_acl(b'{"$acl": {"$r": "desk", "$w": []}}').open_to == {
    ...     Act.READ: frozenset({"desk"}), Act.WRITE: frozenset()}
    True
    """
    return _acl(_decoded(metadata, _Metadata()).rights)


def read_defaults(settings: bytes) -> Defaults:
    """The default lists that an event of the stream `$settings` sets."""
    found, standard = _decoded(settings, _Settings()), Defaults()
    return Defaults(_acl(found.user).over(standard.user), _acl(found.system).over(standard.system))


def _decoded(data: bytes, empty: S) -> S:
    try:
        return msgspec.json.decode(data, type=type(empty))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return empty


def _acl(rights: _Rights | None) -> Acl:
    if rights is None:
        return Acl()
    said = {
        Act.READ: rights.read,
        Act.WRITE: rights.write,
        Act.DELETE: rights.delete,
        Act.READ_METADATA: rights.read_metadata,
        Act.WRITE_METADATA: rights.write_metadata,
    }
    return Acl({act: _names(names) for act, names in said.items() if names is not None})


def _names(names: str | list[str]) -> frozenset[str]:
    return frozenset((names,) if isinstance(names, str) else names)
