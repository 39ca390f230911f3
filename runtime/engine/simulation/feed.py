"""The feeds of a simulated run: its observations, and the decisions of its first stage."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from runtime.engine.commands import Advance
from runtime.engine.messages import BatchArrived, FeedEnded, FeedIdle
from runtime.engine.results import Taken
from runtime.engine.simulation.store import SimulatedStore
from runtime.engine.simulation.strategy import later_key
from runtime.feeds import Record
from runtime.feeds.drops import drops_of, positions_of, without

OTHERS = "key--1"
"""The aggregate of observations that no agent listens to."""

END = 1 << 40
"""Beyond every position."""

Read = BatchArrived | FeedIdle | FeedEnded


def rows_of(keys: list[str], positions: list[int]) -> pa.RecordBatch:
    """Rows with what the supervisor and a simulated host look at."""
    return pa.RecordBatch.from_arrays(
        [pa.array(keys, pa.string()).dictionary_encode(), pa.array(positions, pa.int64())],
        ["aggregate", "position"],
    )


@dataclass(frozen=True, slots=True)
class Dropping:
    """Drops a share of the observations; of those that `record` knows the same as it says."""

    share: float
    record: Record
    rng: random.Random

    def of(self, batch: BatchArrived) -> BatchArrived:
        """The batch without some of its rows."""
        positions = positions_of(batch.rows)
        codes = self.record.codes(positions)
        for at in np.flatnonzero(positions >= self.record.through):
            codes[at] = self.rng.random() < self.share
        taken = Taken(batch.end, drops_of(positions, codes))
        return replace(batch, rows=without(batch.rows, codes), taken=taken)


class SimulatedTape:
    """Observations, from `cursor` on; of those not taken in before it may drop some."""

    def __init__(
        self, stage: str, rows: pa.RecordBatch, cursor: str | None, dropping: Dropping
    ) -> None:
        self._stage, self._dropping = stage, dropping
        self._next, self._end = int(cursor or 0), rows.num_rows
        heard = pc.not_equal(rows.column("aggregate").dictionary_decode(), OTHERS)
        self._rows = rows.filter(heard)
        self._before = [0, *np.cumsum(heard.to_numpy(zero_copy_only=False)).tolist()]

    def read(self, limit: int) -> Read:
        """The next observations."""
        if self._next >= self._end:
            return FeedEnded(self._stage)
        first, self._next = self._before[self._next], min(self._next + limit, self._end)
        wanted = self._rows.slice(first, self._before[self._next] - first)
        batch = BatchArrived(self._stage, wanted, self._next, str(self._next))
        return self._dropping.of(batch) if self._dropping.share else batch

    def advance(self, command: Advance) -> None:
        """Observations wait for nobody."""


class SimulatedDecisions:
    """Decisions of stage `source`, in the order of their causes, from `cursor` on."""

    def __init__(self, stage: str, source: str, store: SimulatedStore, cursor: str | None) -> None:
        self._stage, self._source, self._store = stage, source, store
        self._next = int(cursor or 0)
        self._watermark, self._ended = -1, False

    def read(self, limit: int) -> Read:
        """The next decisions below the watermark."""
        prefix = f"agent-{self._source}/"
        found = sorted(
            (position, stream.removeprefix(prefix))
            for stream, events in self._store.streams.items()
            if stream.startswith(prefix)
            for event in events
            if self._next <= (position := int(event.metadata)) < self._watermark
        )
        if found or self._next < min(self._watermark, END):
            taken = found[:limit]
            more = len(found) > limit
            self._next = taken[-1][0] + 1 if more else min(self._watermark, END)
            rows = rows_of([later_key(one) for _, one in taken], [at for at, _ in taken])
            return BatchArrived(self._stage, rows, self._next, str(self._next))
        if self._ended:
            return FeedEnded(self._stage)
        return FeedIdle(self._stage, self._watermark)

    def advance(self, command: Advance) -> None:
        """The log is complete up to a watermark."""
        self._watermark, self._ended = command.watermark, command.ended
