"""Who makes a call, and the groups that mean something to the server. Pure."""

from __future__ import annotations

from dataclasses import dataclass

ADMINS, OPERATORS, EVERYBODY = "$admins", "$ops", "$all"
"""The groups of those who may do everything, of those who may operate the server, and of all."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call: the login (None: not told), and every name that access lists know it by.

    >>> sorted(Caller.of("ada", ["desk"]).roles)
    ['$all', 'ada', 'desk']
    """

    login: str | None
    roles: frozenset[str]

    @classmethod
    def of(cls, login: str, groups: list[str] | tuple[str, ...]) -> Caller:
        """The user `login`, who belongs to `groups`."""
        return cls(login, frozenset((*groups, login, EVERYBODY)))

    @property
    def administers(self) -> bool:
        """Whether every act is open to the caller."""
        return ADMINS in self.roles

    @property
    def operates(self) -> bool:
        """Whether the caller may operate the server."""
        return self.administers or OPERATORS in self.roles


ANONYMOUS = Caller(None, frozenset((EVERYBODY,)))
"""A caller who does not say who it is."""
