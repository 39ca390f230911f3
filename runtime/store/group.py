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
from runtime.store.pruning import Prune, Pruned, Shrink
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

    @overload
    def submit(self, request: Prune) -> Pruned: ...

    @overload
    def submit(self, request: Shrink) -> int: ...

    def submit(self, request: Request) -> Answer:
        """What the request is answered (`Answer`); durable when it returns.

        Waits for the commit that is under way; requests are carried out in the order in
        which they came. Raises what the request itself, or the transaction it shared, came to.
        """
        outcome = self.submit_all((request,))[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def submit_all(self, requests: Sequence[Request]) -> list[Outcome]:
        """What each of `requests` came to, all of which share one transaction, in their order.

        Durable when it returns. Waits as `submit` does.
        """
        tickets = [_Ticket(request) for request in requests]
        try:
            led = self._join(tickets)
            if led:
                self._lead(led)
        except BaseException:
            self._leave(tickets)
            raise
        return [ticket.outcome for ticket in tickets if ticket.outcome is not None]

    def between_commits(self, act: Callable[[], None]) -> None:
        """Call `act` when no commit is under way; commits wait until it returns."""
        with self._turn:
            self._turn.wait_for(lambda: not self._busy)
            act()

    def _join(self, own: list[_Ticket]) -> list[_Ticket]:
        """Wait until `own` are settled or it is their turn to lead; answers whom they then lead."""
        with self._turn:
            self._waiting += own
            if self._busy:
                self._turn.wait_for(lambda: _settled(own) or not self._busy)
                if _settled(own):
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

    def _leave(self, own: list[_Ticket]) -> None:
        with self._turn:
            self._waiting = [ticket for ticket in self._waiting if ticket not in own]

    def _outcomes(self, requests: list[Request]) -> Sequence[Outcome]:
        try:
            return self._commit(requests)
        except StoreError as error:
            return [copy.copy(error) for _ in requests]


def _settled(tickets: list[_Ticket]) -> bool:
    return all(ticket.outcome is not None for ticket in tickets)
