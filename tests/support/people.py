"""Users of a served store, whose passwords are quick to check."""

from __future__ import annotations

from pathlib import Path

from runtime.store.access import Cost, Directory, User, Users, Verifier

QUICK = Cost(log_n=4, r=1, p=1)
SALT = b"0123456789abcdef"


def person(login: str, *groups: str, disabled: bool = False, cost: Cost = QUICK) -> User:
    """A user whose password is the login, twice."""
    verifier = Verifier.of(login * 2, SALT, cost)
    return User(login, verifier, login.title(), groups, disabled)


def directory_of(path: Path, *people: User) -> Directory:
    """A file of users at `path` that holds `people`."""
    directory = Directory.open(path, create=True)
    directory.change(lambda _none: Users({one.login: one for one in people}))
    return directory
