"""The feeds of a simulated run: its observations, and the decisions of its first stage."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from runtime.engine.commands import Advance
from runtime.engine.messages import BatchArrived, FeedEnded, FeedIdle
from runtime.engine.simulation.store import SimulatedStore
from runtime.engine.simulation.strategy import later_key

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


class SimulatedTape:
    """Observations, from `cursor` on."""

    def __init__(self, stage: str, rows: pa.RecordBatch, cursor: str | None) -> None:
        self._stage, self._rows = stage, rows
        self._next = int(cursor or 0)

    def read(self, limit: int) -> Read:
        """The next observations."""
        rows = self._rows.slice(self._next, limit)
        if not rows.num_rows:
            return FeedEnded(self._stage)
        self._next += rows.num_rows
        wanted = rows.filter(pc.not_equal(rows.column("aggregate").dictionary_decode(), OTHERS))
        return BatchArrived(self._stage, wanted, self._next, str(self._next))

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
