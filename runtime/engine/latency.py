"""How long events take, as a histogram; and how many there are a second. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import ceil, log2

_STEPS = 8
_LEAST = 1e-4

WINDOW_SECONDS = 10.0
"""The time over which a rate is taken."""


@dataclass(slots=True)
class Latencies:
    """Counts durations in seconds by their logarithm, eight buckets to each doubling.

    A percentile is the upper edge of its bucket: at most 9 % too much, never too little;
    what is below 0.1 ms counts as 0.1 ms.

    >>> seen = Latencies(); seen.add(0.010, 99); seen.add(1.0, 1)
    >>> round(seen.percentile(0.5), 4), round(seen.percentile(0.995), 2)
    (0.0108, 1.06)
    """

    counts: dict[int, int] = field(default_factory=dict)

    def add(self, seconds: float, events: int) -> None:
        """Count `events` that took so long."""
        bucket = ceil(_STEPS * log2(max(seconds, _LEAST) / _LEAST))
        self.counts[bucket] = self.counts.get(bucket, 0) + events

    def percentile(self, share: float) -> float:
        """Seconds within which that share of all events was done; 0 if there were none."""
        due = share * sum(self.counts.values())
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= due:
                return float(_LEAST * 2 ** (bucket / _STEPS))
        return 0.0


@dataclass(slots=True)
class Rate:
    """Events a second over the last ten seconds."""

    _seen: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, at: float, events: int) -> None:
        """Count events that were done at `at` (seconds)."""
        self._seen.append((at, events))
        while self._seen[0][0] <= at - WINDOW_SECONDS:
            self._seen.popleft()

    def at(self, now: float) -> float:
        """Events a second up to `now`."""
        recent = [(at, events) for at, events in list(self._seen) if at > now - WINDOW_SECONDS]
        if not recent:
            return 0.0
        return sum(events for _, events in recent) / max(now - recent[0][0], 1.0)
