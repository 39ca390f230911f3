"""Group commit: threads that write at the same time share one transaction."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition
from typing import overload

from runtime.errors import StoreError
from runtime.store.fence import Claim
from runtime.store.port import Appended, Delete, Fence, Write
from runtime.store.writer import Answer, Outcome, Request

Commit = Callable[[Sequence[Request]], Sequence[Outcome]]
"""Commits requests together and tells what each came to; raises if all of them failed."""


@dataclass(slots=True, eq=False)
class _Ticket:
    request: Request
    outcome: Outcome | None = None


class Group:
    """Lets one of the waiting threads commit for all of them.

    While a commit is under way, later writes gather; then one of their threads commits
    all that have gathered. A write alone is committed at once.
    """

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._turn = Condition()
        self._waiting: list[_Ticket] = []
        self._busy = False

    @overload
    def submit(self, request: Write | Delete) -> list[Appended]: ...

    @overload
    def submit(self, request: Claim) -> Fence: ...

    def submit(self, request: Request) -> Answer:
        """The answers to the appends of a write, or the fence of a claim; durable when it returns.

        Waits for the commit that is under way; requests are carried out in the order in
        which they came. Raises what the request itself, or the transaction it shared, came to.
        """
        ticket = _Ticket(request)
        try:
            tickets = self._join(ticket)
            if tickets:
                self._lead(tickets)
        except BaseException:
            self._leave(ticket)
            raise
        outcome = ticket.outcome
        assert outcome is not None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def between_commits(self, act: Callable[[], None]) -> None:
        """Call `act` when no commit is under way; commits wait until it returns."""
        with self._turn:
            self._turn.wait_for(lambda: not self._busy)
            act()

    def _join(self, own: _Ticket) -> list[_Ticket]:
        """Wait until `own` is settled or it is its turn to lead; answers whom it then leads."""
        with self._turn:
            self._waiting.append(own)
            self._turn.wait_for(lambda: own.outcome is not None or not self._busy)
            if own.outcome is not None:
                return []
            self._busy = True
            return list(self._waiting)

    def _lead(self, tickets: list[_Ticket]) -> None:
        try:
            outcomes = self._outcomes([ticket.request for ticket in tickets])
            for ticket, outcome in zip(tickets, outcomes, strict=True):
                ticket.outcome = outcome
        finally:
            with self._turn:
                self._waiting = [ticket for ticket in self._waiting if ticket.outcome is None]
                self._busy = False
                self._turn.notify_all()

    def _leave(self, own: _Ticket) -> None:
        with self._turn:
            self._waiting = [ticket for ticket in self._waiting if ticket is not own]

    def _outcomes(self, requests: list[Request]) -> Sequence[Outcome]:
        try:
            return self._commit(requests)
        except StoreError as error:
            return [copy.copy(error) for _ in requests]
