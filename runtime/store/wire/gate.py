"""Who may do what: what every service asks before it carries out a call."""

from __future__ import annotations

from typing import Protocol

from runtime.store.access import Act
from runtime.store.wire.calls import Context


class Gate(Protocol):
    """Lets callers in, or raises a `Refusal`."""

    async def admit(self, context: Context, act: Act, stream: str) -> None:
        """Raise unless the caller may `act` on `stream`; `$all` is the whole log."""

    async def admit_known(self, context: Context) -> None:
        """Raise unless the caller says who it is: to consume, and to ask for figures."""

    async def admit_operator(self, context: Context) -> None:
        """Raise unless the caller may operate the server: subscriptions, projections, upkeep."""


class OpenGate:
    """Lets everybody do everything."""

    async def admit(self, context: Context, act: Act, stream: str) -> None:
        """Nobody is asked who they are."""

    async def admit_known(self, context: Context) -> None:
        """Nobody is asked who they are."""

    async def admit_operator(self, context: Context) -> None:
        """Nobody is asked who they are."""
