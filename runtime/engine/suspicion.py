"""Finding the event that kills hosts: by batch, then by aggregate, then event by event. Pure.

One death says nothing of what a host was working on; the second on the same thing does.
Then a batch is sent aggregate by aggregate, an aggregate on which hosts go on to die event
by event, and at last one event alone, with nothing behind it: the answers of a host that
dies may be lost, so only what was never answered and had nothing behind it is guilty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa

DEATHS = 2
"""So many deaths on the same thing are no accident."""


class Piece(NamedTuple):
    """A piece of a batch: an aggregate's rows, or the one at `position`.

    It is the `place`-th, from 0, of the `total` pieces of its key group.
    """

    aggregate: str
    position: int | None
    group: int
    place: int
    total: int


@dataclass(slots=True)
class Suspicion:
    """How often hosts died on a batch and on its pieces, and which pieces were answered ever.

    `probed` is the piece that is tried alone.
    """

    deaths: int = 0
    probed: Piece | None = None
    _died: Counter[tuple[str, int | None]] = field(default_factory=Counter)
    _innocent: set[tuple[str, int | None]] = field(default_factory=set)
    _sent: dict[int, list[Piece]] = field(default_factory=dict)

    @property
    def founded(self) -> bool:
        """Whether the batch is to be sent in pieces."""
        return self.deaths >= DEATHS

    def answered(self, piece: Piece) -> None:
        """A piece was decided on: it killed nobody."""
        self._innocent.add(piece[:2])
        if self.probed is not None and self.probed[:2] == piece[:2]:
            self.probed = None

    def blame(self, host: int, piece: Piece | None) -> Piece | None:
        """`host` died; `piece`, or the whole batch, was the first it had not answered.

        Returns the culprit if it is known now.
        """
        if piece is None or host not in self._sent:
            self.deaths += 1
            return None
        unknown = [one for one in self._sent.pop(host) if one[:2] not in self._innocent]
        if not unknown:
            return None
        first = unknown[0]
        if self.probed is not None and first[:2] == self.probed[:2]:
            return first
        self._died[first[:2]] += 1
        guilty = first.position is not None and self._died[first[:2]] >= DEATHS
        self.probed = first if guilty else None
        return None

    def cut(
        self, host: int, rows: pa.RecordBatch, group_of: Callable[[str], int]
    ) -> list[tuple[Piece, pa.RecordBatch]]:
        """The rows of a part for `host`, which are sorted by aggregate, in pieces.

        There is nothing behind the piece that is probed, if it is one of them.
        """
        cuts = self._cuts(rows)
        totals = Counter(group_of(name) for name, *_ in cuts)
        seen: Counter[int] = Counter()
        pieces: list[tuple[Piece, pa.RecordBatch]] = []
        for name, position, start, end in cuts:
            group = group_of(name)
            piece = Piece(name, position, group, seen[group], totals[group])
            seen[group] += 1
            pieces.append((piece, rows.slice(start, end - start)))
            if self.probed is not None and piece[:2] == self.probed[:2]:
                break
        self._sent[host] = [piece for piece, _ in pieces]
        return pieces

    def _cuts(self, rows: pa.RecordBatch) -> list[tuple[str, int | None, int, int]]:
        """Aggregate, position, start and end of each piece."""
        column = rows.column("aggregate")
        codes = column.indices.to_numpy(zero_copy_only=False)
        borders = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
        positions = rows.column("position").to_pylist()
        cuts: list[tuple[str, int | None, int, int]] = []
        for start, end in pairwise(borders):
            name = column[start].as_py()
            if self._died[name, None] < DEATHS:
                cuts.append((name, None, start, end))
            else:
                cuts += [(name, positions[at], at, at + 1) for at in range(start, end)]
        return cuts
