"""Which rows of a chunk can be used, and why not the others. Vectorised, row by row meaning.

A row is judged by itself first; then by its place: it must not be known before an earlier
sound row, nor repeat the aggregate, event time and known-at of one. What came in chunks
before matters only through the last known-at and the rows that share it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from runtime.feeds.columns import Mask

REASONS = (
    "usable",
    "time",
    "known before it happened",
    "aggregate name",
    "missing",
    "not a number",
    "not finite",
    "absurd",
    "unsorted",
    "duplicate",
    "quarantined",
)
"""Why a row cannot be used; the index is the code in the arrays of this module."""

CODE = {reason: code for code, reason in enumerate(REASONS)}


@dataclass(slots=True)
class Verdicts:
    """The first reason against each row, as a code (0: usable), and the field it is about."""

    codes: NDArray[np.int8]
    fields: NDArray[np.int16]

    @classmethod
    def of(cls, rows: int) -> Verdicts:
        """All usable."""
        return cls(np.zeros(rows, np.int8), np.zeros(rows, np.int16))

    def refuse(self, bad: Mask, reason: str, field_number: int = 0) -> None:
        """Refuse rows that were usable until now."""
        fresh = bad & (self.codes == 0)
        self.codes[fresh] = CODE[reason]
        self.fields[fresh] = field_number

    @property
    def usable(self) -> Mask:
        """Rows nothing speaks against."""
        usable: Mask = self.codes == 0
        return usable


@dataclass(slots=True)
class Order:
    """Judges the place of rows, chunk after chunk.

    `known` is the largest known-at of a sound row so far (-1 at first), `group` the number
    of the first sound row that has it.
    """

    known: int = -1
    group: int = 0
    _tail: set[tuple[int, int]] = field(default_factory=set)

    def judge(
        self,
        verdicts: Verdicts,
        numbers: NDArray[np.int64],
        known: NDArray[np.int64],
        time: NDArray[np.int64],
        aggregates: NDArray[np.int32],
        *,
        alone: bool = False,
    ) -> None:
        """Refuse rows that go back or repeat, among those still usable.

        `numbers` are the rows' numbers in the file. Refused rows count for nothing; with
        `alone`, neither does any later row of their aggregate.
        """
        sound = np.flatnonzero(verdicts.usable)
        if not len(sound):
            return
        back = self._back(known[sound])
        kept = sound[~back]
        repeated = kept[self._repeated(known[kept], time[kept], aggregates[kept])]
        if alone and (back.any() or len(repeated)):
            kept = self._walk(verdicts, sound, known, time, aggregates)
        else:
            verdicts.refuse(_mask(len(known), sound[back]), "unsorted")
            verdicts.refuse(_mask(len(known), repeated), "duplicate")
        self._remember(numbers, kept, known, time, aggregates)

    def _back(self, known: NDArray[np.int64]) -> Mask:
        highest = np.maximum.accumulate(np.concatenate(([self.known], known)))
        back: Mask = known < highest[:-1]
        return back

    def _walk(
        self,
        verdicts: Verdicts,
        sound: NDArray[np.intp],
        known: NDArray[np.int64],
        time: NDArray[np.int64],
        aggregates: NDArray[np.int32],
    ) -> NDArray[np.intp]:
        """The rows that stay when a bad row takes the rest of its aggregate with it."""
        parked: set[int] = set()
        highest, group, kept = self.known, set(self._tail), []
        columns = (known[sound].tolist(), time[sound].tolist(), aggregates[sound].tolist())
        for row, at, when, aggregate in zip(sound.tolist(), *columns, strict=True):
            reason = "quarantined" if aggregate in parked else ""
            if not reason and at < highest:
                reason = "unsorted"
            elif not reason and at == highest and (aggregate, when) in group:
                reason = "duplicate"
            if reason:
                parked.add(aggregate)
                verdicts.codes[row] = CODE[reason]
                continue
            if at > highest:
                highest, group = at, set()
            group.add((aggregate, when))
            kept.append(row)
        return np.array(kept, np.intp)

    def _repeated(
        self, known: NDArray[np.int64], time: NDArray[np.int64], aggregates: NDArray[np.int32]
    ) -> NDArray[np.intp]:
        if not len(known) or (known[0] > self.known and bool(np.all(known[1:] > known[:-1]))):
            return np.empty(0, np.intp)
        order = np.lexsort((np.arange(len(known)), time, aggregates, known))
        k, a, t = known[order], aggregates[order], time[order]
        same = (k[1:] == k[:-1]) & (a[1:] == a[:-1]) & (t[1:] == t[:-1])
        repeated = order[1:][same]
        head = np.flatnonzero(known == self.known)
        pairs = zip(aggregates[head].tolist(), time[head].tolist(), strict=True)
        again = head[[pair in self._tail for pair in pairs]] if len(head) else head
        return np.union1d(repeated, again)

    def _remember(
        self,
        numbers: NDArray[np.int64],
        sound: NDArray[np.intp],
        known: NDArray[np.int64],
        time: NDArray[np.int64],
        aggregates: NDArray[np.int32],
    ) -> None:
        if not len(sound):
            return
        last = int(known[sound[-1]])
        tail = sound[np.searchsorted(known[sound], last) :]
        if last > self.known:
            self.known, self.group, self._tail = last, int(numbers[tail[0]]), set()
        self._tail.update(zip(aggregates[tail].tolist(), time[tail].tolist(), strict=True))


def _mask(rows: int, chosen: NDArray[np.intp]) -> Mask:
    mask = np.zeros(rows, np.bool_)
    mask[chosen] = True
    return mask
