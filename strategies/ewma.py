"""An exponentially weighted mean, the same to the bit one value at a time or by the array."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LONGEST_BLOCK = 4096
_SMALLEST_WEIGHT = 1e-100


class Decay:
    """The weights of an exponentially weighted mean with smoothing `alpha`, 0 < alpha <= 0.5.

    The mean is that of the textbook, `mean += alpha * (value - mean)` from a mean of 0. What
    is kept of it between values is declared data: `total` (float, 0.0 at first) and `count`
    (int, how many values were taken in).

    Values fall into blocks by `count`, so that it does not matter how they arrive. With
    c = 1 - alpha, the value at place j of its block adds `value * c**-j` to the total, and the
    total is scaled down by `c**block` where a block ends. The sum is sequential in both forms,
    so they agree bit for bit; powers are made by repeated multiplication, so every machine has
    the same. A block is as long as its weights stay within 1e100, and 4,096 at most.

    >>> decay = Decay(0.5)
    >>> total = decay.step(decay.step(0.0, 0, 8.0), 1, 2.0)
    >>> decay.mean(total, 2)
    3.0
    >>> means, after = decay.run(0.0, 0, np.array([8.0, 2.0]))
    >>> means.tolist(), after == total
    ([0.0, 4.0], True)
    """

    __slots__ = ("_units", "_weights", "block", "fold", "units", "weights")

    def __init__(self, alpha: float) -> None:
        keep = 1.0 - alpha
        self.block = _block_length(keep)
        powers = [1.0]
        for _ in range(self.block):
            powers.append(powers[-1] * keep)
        self.fold = powers.pop()
        self.weights = [1.0 / power for power in powers]
        self.units = [alpha / keep * power for power in powers]
        self._weights = np.array(self.weights)
        self._units = np.array(self.units)

    def mean(self, total: float, count: int) -> float:
        """The mean of the `count` values behind `total`."""
        return total * self.units[count % self.block]

    def step(self, total: float, count: int, value: float) -> float:
        """The total after one more value, the `count`-th from 0."""
        place = count % self.block
        total += value * self.weights[place]
        return total * self.fold if place + 1 == self.block else total

    def run(self, total: float, count: int, values: Floats) -> tuple[Floats, float]:
        """The mean before each of `values` (float64, one dimension), and the total after all."""
        place = count % self.block
        if place + len(values) < self.block:
            return self._stretch(total, place, values)
        parts = []
        start = 0
        while start < len(values):
            part = values[start : start + self.block - place]
            means, total = self._stretch(total, place, part)
            parts.append(means)
            if place + len(part) == self.block:
                total *= self.fold
            start += len(part)
            place = 0
        return np.concatenate(parts), total

    def _stretch(self, total: float, place: int, values: Floats) -> tuple[Floats, float]:
        stop = place + len(values)
        totals = np.empty(len(values) + 1)
        totals[0] = total
        np.multiply(values, self._weights[place:stop], out=totals[1:])
        totals = np.add.accumulate(totals)
        return totals[:-1] * self._units[place:stop], float(totals[-1])


def _block_length(keep: float) -> int:
    length, power = 1, keep
    while length < _LONGEST_BLOCK and power * power > _SMALLEST_WEIGHT:
        length, power = 2 * length, power * power
    return length
