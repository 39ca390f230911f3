"""The users of a served store, and the file that they are kept in. Pure.

The file is JSON: `{"version": 1, "users": {"ada": {"password": …, "name": …, "groups": […],
"disabled": …, "updated": …}}}`; of a user only the password must be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from runtime.errors import UserExists, UserInvalid, UserUnknown
from runtime.store.access.caller import ADMINS, OPERATORS, Caller
from runtime.store.access.password import Verifier

MOST_GROUPS, LONGEST_NAME = 64, 128
_LOGIN = re.compile(r"(?!\$)[^\s\x00-\x1f\x7f:]{1,128}")
_STANDARD = {"admin": (ADMINS,), "ops": (OPERATORS,)}


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can sign in: what of the password is kept, the full name, the groups."""

    login: str
    verifier: Verifier
    name: str = ""
    groups: tuple[str, ...] = ()
    disabled: bool = False
    updated: datetime | None = None

    def __post_init__(self) -> None:
        """Raise `UserInvalid` for a login, name or group that nobody can have."""
        check_login(self.login)
        if len(self.groups) > MOST_GROUPS:
            raise UserInvalid(f"user {self.login!r} is in more than {MOST_GROUPS} groups")
        for text in (self.name or "-", *self.groups):
            if not (1 <= len(text) <= LONGEST_NAME and text.isprintable()):
                raise UserInvalid(
                    f"user {self.login!r} has the name or group {text[:LONGEST_NAME]!r}:"
                    f" it must have 1 to {LONGEST_NAME} printable characters"
                )

    @property
    def caller(self) -> Caller:
        """The user as one who makes a call."""
        return Caller.of(self.login, self.groups)


@dataclass(frozen=True, slots=True)
class Users:
    """All users by their logins. A change answers changed users, and leaves these alone."""

    known: Mapping[str, User] = field(default_factory=dict)

    def __iter__(self) -> Iterator[User]:
        """All of them, in the order of their logins."""
        return iter(sorted(self.known.values(), key=lambda user: user.login))

    def find(self, login: str) -> User | None:
        """The user, if there is one."""
        return self.known.get(login)

    def get(self, login: str) -> User:
        """The user; `UserUnknown` if there is none."""
        if login not in self.known:
            raise UserUnknown(f"no user {login!r}: see who there is with 'lucent store users list'")
        return self.known[login]

    def check_vacant(self, login: str) -> None:
        """Raise `UserExists` if the login is taken, `UserInvalid` if it cannot be."""
        check_login(login)
        if login in self.known:
            raise UserExists(f"a user {login!r} exists already: choose another login")

    def added(self, user: User) -> Users:
        """With one more, whose login must not be taken."""
        self.check_vacant(user.login)
        return Users({**self.known, user.login: user})

    def changed(self, user: User) -> Users:
        """With another user of that login, which must be there."""
        self.get(user.login)
        return Users({**self.known, user.login: user})

    def removed(self, login: str) -> Users:
        """Without that user, who must be there."""
        self.get(login)
        return Users({other: user for other, user in self.known.items() if other != login})


def check_login(login: str) -> None:
    """Raise `UserInvalid` if nobody can have that login."""
    if not _LOGIN.fullmatch(login):
        raise UserInvalid(
            f"{login[:LONGEST_NAME]!r} cannot be a login: use up to {LONGEST_NAME}"
            " characters, no space, no ':' and no '$' at its start"
        )


def standard_groups(login: str) -> tuple[str, ...]:
    """The groups that KurrentDB's standard users have.

    >>> standard_groups("admin"), standard_groups("ops"), standard_groups("ada")
    (('$admins',), ('$ops',), ())
    """
    return _STANDARD.get(login, ())


class _Entry(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    password: str
    name: str = ""
    groups: list[str] = msgspec.field(default_factory=list)
    disabled: bool = False
    updated: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    version: Literal[1]
    users: dict[str, _Entry]


def read_users(data: bytes) -> Users:
    """Read the bytes of a file of users; raises `UserInvalid` that says what is wrong where."""
    try:
        file = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserInvalid(str(error)) from None
    return Users({login: _user(login, entry) for login, entry in file.users.items()})


def write_users(users: Iterable[User]) -> bytes:
    """The bytes of the file of users."""
    entries = {
        user.login: _Entry(
            user.verifier.text, user.name, list(user.groups), user.disabled, user.updated
        )
        for user in users
    }
    return msgspec.json.format(msgspec.json.encode(_File(1, entries)), indent=2) + b"\n"


def _user(login: str, entry: _Entry) -> User:
    try:
        verifier = Verifier.read(entry.password)
    except UserInvalid as error:
        raise UserInvalid(f"user {login[:LONGEST_NAME]!r}: {error}") from None
    return User(login, verifier, entry.name, tuple(entry.groups), entry.disabled, entry.updated)
