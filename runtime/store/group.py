"""Group commit: threads that write at the same time share one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition

from runtime.errors import StoreError
from runtime.store.port import Appended, Write
from runtime.store.writer import Outcome

Commit = Callable[[Sequence[Write]], Sequence[Outcome]]
"""Commits writes together and tells what each came to; raises if all of them failed."""


@dataclass(slots=True, eq=False)
class _Ticket:
    write: Write
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

    def submit(self, write: Write) -> list[Appended]:
        """The answers to the appends of `write`; durable when it returns.

        Waits for the commit that is under way. Raises what the write itself, or the
        transaction it shared, came to.
        """
        ticket = _Ticket(write)
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
            outcomes = self._outcomes([ticket.write for ticket in tickets])
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

    def _outcomes(self, writes: list[Write]) -> Sequence[Outcome]:
        try:
            return self._commit(writes)
        except StoreError as error:
            return [type(error)(*error.args) for _ in writes]
