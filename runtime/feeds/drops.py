"""Rows that were not taken in because their feed was too far behind. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runtime.feeds.port import Drop, FeedBatch

POLICIES = ("", "conflate", "reject")
"""What becomes of a row, by code: taken in, merged into a later one, refused."""


def drops_of(positions: NDArray[np.int64], codes: NDArray[np.int8]) -> tuple[Drop, ...]:
    """The drops among `positions`, ascending; `codes` are indices into `POLICIES`.

    >>> drops_of(np.array([3, 4, 5, 9]), np.array([1, 1, 0, 1], np.int8))
    (Drop(policy='conflate', ranges=((3, 4), (9, 9))),)
    """
    return tuple(
        Drop(policy, _ranges(positions[codes == code]))
        for code, policy in enumerate(POLICIES)
        if code and (codes == code).any()
    )


def _ranges(positions: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    cuts = np.flatnonzero(np.diff(positions) != 1) + 1
    firsts = positions[np.concatenate(([0], cuts))]
    lasts = positions[np.concatenate((cuts - 1, [len(positions) - 1]))]
    return tuple(zip(firsts.tolist(), lasts.tolist(), strict=True))


@dataclass(slots=True)
class Record:
    """What the log says was taken in: below `through` all but the drops it names."""

    through: int = 0
    _firsts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    _lasts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    _codes: NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))

    @classmethod
    def of(cls, through: int, drops: Iterable[Drop]) -> Record:
        """A record of drops, in any order."""
        found = sorted(
            (first, last, POLICIES.index(drop.policy))
            for drop in drops
            for first, last in drop.ranges
        )
        if not found:
            return cls(through)
        firsts, lasts, codes = zip(*found, strict=True)
        return cls(through, np.array(firsts), np.array(lasts), np.array(codes, np.int8))

    def codes(self, positions: NDArray[np.int64]) -> NDArray[np.int8]:
        """What became of the rows at `positions`, as indices into `POLICIES`."""
        codes = np.zeros(len(positions), np.int8)
        if len(self._firsts):
            at = np.maximum(np.searchsorted(self._firsts, positions, "right") - 1, 0)
            inside = (positions >= self._firsts[at]) & (positions <= self._lasts[at])
            codes[inside] = self._codes[at[inside]]
        return codes


def without(rows: pa.RecordBatch, codes: NDArray[np.int8]) -> pa.RecordBatch:
    """The rows that were not dropped."""
    return rows if not codes.any() else rows.filter(pa.array(codes == 0))


def positions_of(rows: pa.RecordBatch) -> NDArray[np.int64]:
    """The positions of rows."""
    found: NDArray[np.int64] = rows.column("position").to_numpy(zero_copy_only=False)
    return found


def as_recorded(batch: FeedBatch, record: Record) -> FeedBatch:
    """A batch without the rows that a record says were dropped."""
    positions = positions_of(batch.rows)
    codes = record.codes(positions)
    rows = without(batch.rows, codes)
    return FeedBatch(rows, batch.end, batch.cursor, drops_of(positions, codes))
