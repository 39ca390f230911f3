"""What has come due of a feed and was not taken yet, and what becomes of it when it is too much.

Pure: told what was read and what time it is, it decides what to keep.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runtime.feeds.drops import POLICIES, Record, drops_of, positions_of, without
from runtime.feeds.port import Drop, FeedBatch

Overload = Literal["block", "conflate", "reject"]

UNTOLD = 1_000_000
"""So many rows may be dropped before it is told; then no more are read."""

CONFLATE, REJECT = POLICIES.index("conflate"), POLICIES.index("reject")


@dataclass(frozen=True, slots=True)
class Bound:
    """How many events of a feed may wait, and what becomes of more: see `TapeSpec`."""

    overload: Overload
    events: int


class Backlog:
    """Holds the rows of a merge from when they were read until they are taken.

    `bounds` are those of each feed, by name. Rows below the `through` of `record` are taken
    in or left out as it says; `cursor` is where the merge stood before the first batch.
    """

    def __init__(self, bounds: Mapping[str, Bound], record: Record, position: int, cursor: str):
        self._bounds, self._record = bounds, record
        self._least = min(bound.events for bound in bounds.values())
        self._marks: deque[tuple[int, str]] = deque([(position, cursor)])
        self._ahead: pa.RecordBatch | None = None
        self._times: NDArray[np.int64] = np.empty(0, np.int64)
        self._due: list[pa.RecordBatch] = []
        self._gone: list[tuple[NDArray[np.int64], NDArray[np.int8]]] = []
        self._blocked = False
        self._empty: pa.RecordBatch | None = None
        self.waiting = 0

    @property
    def position(self) -> int:
        """The position of the next row."""
        first = self._due[0] if self._due else self._ahead
        return self._marks[-1][0] if first is None else int(first.column("position")[0].as_py())

    @property
    def hungry(self) -> bool:
        """Whether more is to be read now."""
        untold = sum(len(positions) for positions, _ in self._gone)
        return self._ahead is None and not self._blocked and untold < UNTOLD

    @property
    def next_due(self) -> int | None:
        """When the next row comes due (ns, known-at), None if none was read."""
        return int(self._times[0]) if len(self._times) else None

    @property
    def last_due(self) -> int | None:
        """When all that was read is due (ns, known-at), None if all is."""
        return int(self._times[-1]) if len(self._times) else None

    def add(self, batch: FeedBatch) -> None:
        """Take in what was read; it is not due yet."""
        assert self._ahead is None, "what was read before is not due yet"
        positions = positions_of(batch.rows)
        codes = self._record.codes(positions)
        self._drop(positions, codes)
        rows = without(batch.rows, codes)
        self._empty = rows.slice(0, 0)
        self._marks.append((batch.end, batch.cursor))
        if rows.num_rows:
            self._ahead = rows
            self._times = rows.column("known_at").to_numpy(zero_copy_only=False)

    def come_due(self, now: int) -> None:
        """It is `now` (ns, known-at): see what is due, and drop what is too much."""
        count = int(np.searchsorted(self._times, now, "right"))
        if not count or self._ahead is None:
            return
        self._due.append(self._ahead.slice(0, count))
        self._times = self._times[count:]
        self._ahead = self._ahead.slice(count) if len(self._times) else None
        self.waiting += count
        if self.waiting >= self._least:
            self._relieve()

    def take(self, limit: int) -> FeedBatch | None:
        """The first rows that are due, `limit` at most; None if there is nothing to tell."""
        if self._due:
            rows = self._joined()
            self._due = [rows.slice(limit)] if rows.num_rows > limit else []
            self.waiting = max(0, rows.num_rows - limit)
            rows = rows.slice(0, limit)
            if self._blocked:
                self._unblock()
        elif self._empty is not None and self._has_dropped_before(self.position):
            rows = self._empty
        else:
            return None
        end = self.position
        cursor = self._cursor(end)
        return FeedBatch(rows, end, cursor, self._dropped_before(end), self.waiting)

    def _unblock(self) -> None:
        self._blocked = False
        if self._due:
            self._relieve()

    def _relieve(self) -> None:
        """Drop what is too much, by the policy of each feed."""
        rows = self._joined()
        sources = rows.column("source")
        codes = np.zeros(rows.num_rows, np.int8)
        self._blocked = False
        for number, name in enumerate(sources.dictionary.to_pylist()):
            mine = np.flatnonzero(sources.indices.to_numpy() == number)
            bound = self._bounds[name]
            if len(mine) < bound.events:
                continue
            excess = self._excess(rows, mine, bound)
            codes[excess] = CONFLATE if bound.overload == "conflate" else REJECT
            self._blocked |= bound.overload != "reject" and len(mine) - len(excess) >= bound.events
        self._drop(positions_of(rows), codes)
        self._due = [without(rows, codes)]
        self.waiting = self._due[0].num_rows

    def _excess(
        self, rows: pa.RecordBatch, mine: NDArray[np.intp], bound: Bound
    ) -> NDArray[np.intp]:
        """Which rows of a feed are dropped; none that the record says were taken in."""
        if bound.overload == "block" or len(mine) <= bound.events:
            return mine[:0]
        if bound.overload == "conflate":
            aggregates = rows.column("aggregate").indices.to_numpy()[mine]
            _, latest = np.unique(aggregates[::-1], return_index=True)
            kept = np.zeros(len(mine), np.bool_)
            kept[len(mine) - 1 - latest] = True
            excess = mine[~kept]
        else:
            excess = mine[bound.events :]
        return excess[positions_of(rows)[excess] >= self._record.through]

    def _joined(self) -> pa.RecordBatch:
        if len(self._due) > 1:
            self._due = [pa.concat_batches(self._due)]
        return self._due[0]

    def _drop(self, positions: NDArray[np.int64], codes: NDArray[np.int8]) -> None:
        if codes.any():
            self._gone.append((positions[codes > 0], codes[codes > 0]))

    def _has_dropped_before(self, end: int) -> bool:
        return any(bool((positions < end).any()) for positions, _ in self._gone)

    def _dropped_before(self, end: int) -> tuple[Drop, ...]:
        if not self._gone:
            return ()
        positions = np.concatenate([one for one, _ in self._gone])
        codes = np.concatenate([one for _, one in self._gone])
        order = np.argsort(positions)
        positions, codes = positions[order], codes[order]
        count = int(np.searchsorted(positions, end))
        self._gone = [(positions[count:], codes[count:])] if count < len(positions) else []
        return drops_of(positions[:count], codes[:count])

    def _cursor(self, end: int) -> str:
        """Where the merge goes on at `end`: where a batch ended, and how many rows behind."""
        while len(self._marks) > 1 and self._marks[1][0] <= end:
            self._marks.popleft()
        position, cursor = self._marks[0]
        if position == end:
            return cursor
        base = json.loads(cursor)
        skip = int(base.get("skip", 0)) + end - position
        return json.dumps(base | {"skip": skip}, sort_keys=True)
