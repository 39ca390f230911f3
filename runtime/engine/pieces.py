"""Answers to parts that were sent in pieces, put together again. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from runtime.engine.messages import HostAnswered
from runtime.engine.results import GroupResult, Results
from runtime.engine.suspicion import Piece


@dataclass(slots=True)
class Pieces:
    """Collects the answers to pieces until a key group of a batch is complete."""

    _expected: dict[int, tuple[int, Piece]] = field(default_factory=dict)
    _collected: dict[tuple[int, int], dict[int, GroupResult]] = field(default_factory=dict)

    def expect(self, ticket: int, seq: int, piece: Piece) -> None:
        """A piece of batch `seq` was sent under `ticket`."""
        self._expected[ticket] = seq, piece

    def forget(self, groups: Collection[int]) -> None:
        """Pieces of these key groups are sent anew: earlier ones count no more."""
        gone = [t for t, (_, piece) in self._expected.items() if piece.group in groups]
        for ticket in gone:
            del self._expected[ticket]
        for key in [key for key in self._collected if key[1] in groups]:
            del self._collected[key]

    def collect(self, answer: HostAnswered) -> Results:
        """Take the answer to a piece; returns the result of its key group once it is whole.

        Of a piece that was sent anew since, there is none.
        """
        if answer.ticket not in self._expected:
            return ()
        seq, piece = self._expected.pop(answer.ticket)
        if not answer.results:
            return ()
        got = self._collected.setdefault((seq, piece.group), {})
        got[piece.place] = answer.results[0]
        if len(got) < piece.total:
            return ()
        del self._collected[seq, piece.group]
        those = [got[place] for place in range(piece.total)]
        return (
            GroupResult(
                piece.group,
                tuple(event for one in those for event in one.events),
                tuple(parked for one in those for parked in one.parked),
                tuple(held for one in those for held in one.held),
            ),
        )
