"""The hunt for what strategies raise on and hosts die of, in one stage. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

import pyarrow as pa

from runtime.engine.batch import Batch
from runtime.engine.keygroups import key_group
from runtime.engine.messages import HostAnswered
from runtime.engine.partition import Part
from runtime.engine.pieces import Pieces
from runtime.engine.results import Results
from runtime.engine.suspicion import Piece, Suspicion
from runtime.errors import HostDied

ACQUITTALS = 8
"""So often hosts may die of a batch without a culprit that could be parked; then the run ends."""


class Hunt:
    """Remembers which key groups an agent raised in, and on which batches hosts died.

    `probing` are key groups in which one event is being tried alone: nothing else is given
    to a host of them meanwhile.
    """

    def __init__(self) -> None:
        self.probing: set[int] = set()
        self._raised: set[int] = set()
        self._suspicions: dict[int, Suspicion] = {}
        self._acquitted: Counter[int] = Counter()
        self._pieces = Pieces()

    def raised(self, group: int) -> None:
        """An agent raised: the next attempt at this key group is to be careful."""
        self._raised.add(group)

    def restored(self, groups: Collection[int]) -> bool:
        """These key groups are restored; returns whether to be careful with them."""
        self._pieces.forget(groups)
        careful = not self._raised.isdisjoint(groups)
        self._raised.difference_update(groups)
        return careful

    def lost_host(self) -> None:
        """A host was lost: what was tried alone there has to be tried again."""
        self.probing.clear()

    def blame(self, host: int, batch: Batch, piece: Piece | None) -> Piece | None:
        """A host died at a batch; returns the culprit if it is known now.

        Raises `HostDied` when hosts die again and again of what was decided on before: that
        cannot be parked any more.
        """
        culprit = None
        if batch.missing:
            suspicion = self._suspicions.setdefault(batch.seq, Suspicion())
            culprit = suspicion.blame(host, piece)
            if culprit is None:
                return None
            del self._suspicions[batch.seq]
        if culprit is not None and culprit.group in batch.missing:
            return culprit
        self._acquitted[batch.seq] += 1
        if self._acquitted[batch.seq] >= ACQUITTALS:
            raise HostDied(
                f"hosts die again and again of events before position {batch.position} that were"
                " decided on before: see their output in Ray's logs; run the same command to resume"
            )
        return None

    def done(self, seq: int) -> None:
        """A snapshot reflects batch `seq`."""
        self._suspicions.pop(seq, None)
        self._acquitted.pop(seq, None)

    def pieces(self, part: Part, batch: Batch) -> Iterator[tuple[Piece, pa.RecordBatch]] | None:
        """The part in pieces, if hosts died on its batch more than once."""
        suspicion = self._suspicions.get(batch.seq)
        if suspicion is None or not suspicion.founded or not batch.missing:
            return None
        return iter(suspicion.cut(part.host, part.rows, key_group))

    def sent(self, ticket: int, seq: int, piece: Piece) -> None:
        """A piece was sent under `ticket`."""
        self._pieces.expect(ticket, seq, piece)

    def probes(self, seq: int, groups: Collection[int]) -> bool:
        """Whether an event of batch `seq` was just sent alone: then nothing may follow it."""
        suspicion = self._suspicions.get(seq)
        if suspicion is None or suspicion.probed is None or suspicion.probed.group not in groups:
            return False
        self.probing.update(groups)
        return True

    def answered(self, answer: HostAnswered) -> Results:
        """Take an answer; of a piece, the result of its key group once it is whole."""
        if answer.piece is None:
            return answer.results
        suspicion = self._suspicions.get(answer.seq)
        if suspicion is not None:
            suspicion.answered(answer.piece)
            if suspicion.probed is None:
                self.probing.clear()
        return self._pieces.collect(answer)
