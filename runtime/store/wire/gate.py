"""Who may do what: what every service asks before it carries out a call."""

from __future__ import annotations

from typing import Protocol

from runtime.store.access import ANONYMOUS, Act, Caller
from runtime.store.wire.calls import Context


class Gate(Protocol):
    """Lets callers in, or raises a `Refusal`."""

    async def admit(self, context: Context, act: Act, stream: str) -> None:
        """Raise unless the caller may `act` on `stream`; `$all` is the whole log."""

    async def admit_known(self, context: Context) -> Caller:
        """Who the caller says it is, to consume and to ask for figures; raise unless it says so."""

    async def admit_operator(self, context: Context) -> None:
        """Raise unless the caller may operate the server: subscriptions, projections, upkeep."""


class OpenGate:
    """Lets everybody do everything."""

    async def admit(self, context: Context, act: Act, stream: str) -> None:
        """Nobody is asked who they are."""

    async def admit_known(self, context: Context) -> Caller:  # noqa: ARG002 (of the protocol)
        """Nobody is asked who they are."""
        return ANONYMOUS

    async def admit_operator(self, context: Context) -> None:
        """Nobody is asked who they are."""
