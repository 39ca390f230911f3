"""Figures of what is delivered, and how long consumers take. Pure."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

MEASURED = 1000
"""Of how many events the latencies are remembered."""

_PERCENTILES = {
    **{f"Quintile {number + 1}": number * 20.0 for number in range(5)},
    **{f"{percent:g}%": percent for percent in (90.0, 95.0, 99.0, 99.5, 99.9)},
}


class Rate(NamedTuple):
    """Events in all, since the last measurement, and a second since then."""

    total: int
    recent: int
    per_second: int


class Meter:
    """Counts events; each measurement begins a new one."""

    def __init__(self, now: float) -> None:
        self._total = 0
        self._measured = 0
        self._at = now

    def count(self) -> None:
        """One event more."""
        self._total += 1

    def measure(self, now: float) -> Rate:
        """The figures as of `now` (seconds)."""
        recent, passed = self._total - self._measured, now - self._at
        self._measured, self._at = self._total, now
        return Rate(self._total, recent, int(recent / passed) if passed > 0 else 0)


class Latencies:
    """How long a consumer took for its last events, in milliseconds."""

    def __init__(self) -> None:
        self._last: deque[int] = deque(maxlen=MEASURED)

    def add(self, milliseconds: int) -> None:
        """One event more."""
        self._last.append(milliseconds)

    def figures(self) -> dict[str, int]:
        """The figures by the names that KurrentDB gives them; none before the first event.

        >>> latencies = Latencies()
        >>> for milliseconds in (1, 2, 9):
        ...     latencies.add(milliseconds)
        >>> [latencies.figures()[name] for name in ("Mean", "Median", "Fastest", "90%", "Highest")]
        [4, 2, 1, 9, 9]
        """
        if not self._last:
            return {}
        items = sorted(self._last)
        size = len(items)
        shares = {
            name: items[min(int(percent / 100 * size), size - 1)]
            for name, percent in _PERCENTILES.items()
        }
        first = {"Mean": sum(items) // size, "Median": items[size // 2], "Fastest": items[0]}
        return first | shares | {"Highest": items[-1]}
