"""Where a series starts to change by more than it usually does."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np

from runtime.deciding import Scalar
from strategies.ewma import Decay, Floats


@dataclass(slots=True)
class Track:
    """What is kept of a series: values seen, the last, sums behind mean and variance, the level.

    `total` and `spread` are the totals of `Decay` over the changes and over their squared
    deviations; `hot` tells whether the last value stood out.
    """

    seen: int = 0
    last: float = 0.0
    total: float = 0.0
    spread: float = 0.0
    hot: bool = False


class Edge(NamedTuple):
    """A value that stands out: its change, what was usual before, and the z-score of the change."""

    change: float
    mean: float
    deviation: float
    z: float

    @property
    def confidence(self) -> float:
        """|z| / 6, below 1 and rounded to 6 decimals."""
        return round(min(0.999, abs(self.z) / 6.0), 6)

    @property
    def features(self) -> dict[str, Scalar]:
        """What a decision tells of the edge, rounded."""
        return {
            "change": round(self.change, 9),
            "mean": round(self.mean, 9),
            "deviation": round(self.deviation, 9),
            "z": round(self.z, 6),
        }


class EdgeFinder:
    """Finds where |z| of a series' change reaches `threshold`, having been below it.

    The change d is taken against the mean of the changes before it, mean and variance are
    exponentially weighted: with c = 1 - alpha, `mean += alpha * d` and
    `var = c * (var + alpha * d * d)` (Finch 2009, "Incremental calculation of weighted mean and
    variance", section 9). Nothing is judged before `warmup` changes were seen, nor while the
    deviation is zero. A deviation below `floor` counts as `floor`, in the series' own unit:
    what is dust stays dust.

    `push` takes one value, `scan` an array; both leave the same `Track`, to the bit. Values
    are finite.

    >>> finder = EdgeFinder(0.1, warmup=2, threshold=3.0)
    >>> [row for row, _ in finder.scan(Track(), np.array([1.0, 1.1, 1.0, 1.1, 5.0, 9.0]))]
    [4]
    """

    __slots__ = ("_decay", "_floor", "_keep", "_places", "_scales", "_threshold", "_warmup")

    def __init__(self, alpha: float, warmup: int, threshold: float, floor: float = 0.0) -> None:
        self._decay = decay = Decay(alpha)
        self._keep = 1.0 - alpha
        self._warmup = warmup
        self._threshold = threshold
        self._floor = floor
        places = list(zip(decay.weights, decay.units, strict=True))
        self._places = [places[-1], *places[:-1]]
        self._scales = (decay.block, decay.fold, self._keep, warmup, threshold, floor)

    def push(self, track: Track, value: float) -> Edge | None:
        """Take in one value; the edge, if it is one."""
        seen = track.seen
        track.seen = seen + 1
        change = value - track.last
        track.last = value
        if seen == 0:
            return None
        block, fold, keep, warmup, threshold, floor = self._scales
        place = seen % block
        weight, unit = self._places[place]
        total = track.total
        before = track.spread
        mean = total * unit
        off = change - mean
        total += change * weight
        spread = before + off * off * weight
        if place == 0:
            total *= fold
            spread *= fold
        track.total = total
        track.spread = spread
        if seen <= warmup:
            return None
        deviation = sqrt(before * unit * keep)
        deviation = deviation if deviation > floor else floor
        bound = threshold * deviation
        if -bound < off < bound or bound == 0.0:
            track.hot = False
            return None
        if track.hot:
            return None
        track.hot = True
        return Edge(change, mean, deviation, off / deviation)

    def scan(self, track: Track, values: Floats) -> list[tuple[int, Edge]]:
        """Take in `values` (float64, one dimension, not empty); the edges by row."""
        first = 0 if track.seen else 1
        changes = np.empty(len(values))
        changes[0] = values[0] - track.last
        np.subtract(values[1:], values[:-1], out=changes[1:])
        changes = changes[first:]
        done = track.seen + first - 1
        track.seen += len(values)
        track.last = float(values[-1])
        means, track.total = self._decay.run(track.total, done, changes)
        offs = changes - means
        variances, track.spread = self._decay.run(track.spread, done, offs * offs)
        deviations = np.sqrt(variances * self._keep)
        if self._floor > 0.0:
            np.maximum(deviations, self._floor, out=deviations)
        starts = self._starts(track, offs, deviations, self._warmup - done)
        columns = (each[starts].tolist() for each in (changes, means, deviations, offs))
        return [
            (row + first, Edge(change, mean, deviation, off / deviation))
            for row, change, mean, deviation, off in zip(starts, *columns, strict=True)
        ]

    def _starts(self, track: Track, offs: Floats, deviations: Floats, cold: int) -> list[int]:
        """The rows that are hot after one that is not; the first `cold` rows are not judged."""
        bounds = deviations * self._threshold
        hot = np.abs(offs) >= bounds
        hot &= bounds > 0.0
        if cold > 0:
            hot[:cold] = False
        if not len(hot):
            return []
        starts: list[int] = (np.flatnonzero(hot[1:] > hot[:-1]) + 1).tolist()
        if hot[0] and not track.hot:
            starts.insert(0, 0)
        track.hot = bool(hot[-1])
        return starts
