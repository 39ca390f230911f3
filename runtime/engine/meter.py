"""What went through a stage since this process began, in figures. Pure."""

from __future__ import annotations

from collections import Counter

from runtime.engine.latency import Latencies, Rate
from runtime.engine.messages import BatchArrived
from runtime.engine.statistics import PERCENTILES, BatchSizes


class Meter:
    """Counts what a stage takes in, decides and drops, and how long events take.

    `again` counts events that hosts were given again; `waiting` are due and not taken in.
    """

    def __init__(self) -> None:
        self.events = self.decisions = self.snapshots = self.again = self.waiting = 0
        self.sizes = BatchSizes()
        self.dropped = Counter[str]()
        self._latencies, self._rate = Latencies(), Rate()

    def arrived(self, batch: BatchArrived) -> None:
        """A batch was taken in, perhaps of no events."""
        count = batch.rows.num_rows
        self.events += count
        self.waiting = batch.waiting
        if count:
            self.sizes = self.sizes.with_batch(count)
        for drop in () if batch.taken is None else batch.taken.dropped:
            self.dropped[drop.policy] += sum(last - first + 1 for first, last in drop.ranges)

    def durable(self, events: int, seconds: float, at: float) -> None:
        """What so many events caused is durable since `at`, so many seconds after they were due."""
        if events:
            self._latencies.add(seconds, events)
            self._rate.add(at, events)

    def rate(self, now: float) -> float:
        """Events a second, lately."""
        return self._rate.at(now)

    @property
    def latency(self) -> tuple[float, ...]:
        """Seconds, at each of `PERCENTILES`."""
        return tuple(self._latencies.percentile(share) for share in PERCENTILES)
