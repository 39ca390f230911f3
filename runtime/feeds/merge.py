"""Several tapes as one feed, in one order: known-at, then tape, then row.

Of equal known-at, the tape declared first comes first. The order depends on nothing else:
not on how files are chunked, nor on how much is asked for at a time.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runtime.errors import FeedError
from runtime.feeds.dictionary import TEXT, Dictionary
from runtime.feeds.port import LISTED, FeedBatch, RejectReport
from runtime.feeds.tape import Piece, Tape, aggregate_names

_ARROW = {float: pa.float64(), bool: pa.bool_(), str: TEXT}
_BASE = {
    "aggregate": TEXT,
    "event_time": pa.int64(),
    "known_at": pa.int64(),
    "position": pa.int64(),
    "source": TEXT,
    "row": pa.int64(),
    "type": TEXT,
}


class _Lane:
    """A tape of the merge: its piece at hand, and how much of it was taken."""

    def __init__(self, tape: Tape, pieces: Iterator[Piece]) -> None:
        self.tape = tape
        self._pieces = pieces
        self.piece: Piece | None = None
        self.taken = 0
        self.ended = False
        self.failure: FeedError | None = None

    def fill(self) -> None:
        """Have a piece at hand, unless the tape has ended."""
        if self.ended or (self.piece is not None and self.taken < len(self.piece.row)):
            return
        if self.failure is not None:
            raise self.failure
        try:
            piece = next(self._pieces, None)
        except FeedError as error:
            self.failure = error
            raise
        self.ended = piece is None
        if piece is not None:
            self.piece, self.taken = piece, 0

    @property
    def waiting(self) -> NDArray[np.int64]:
        """Known-at of the rows not taken yet."""
        return np.empty(0, np.int64) if self.piece is None else self.piece.known_at[self.taken :]

    def cursor(self) -> dict[str, Any] | None:
        """Where the tape goes on; None before its first piece."""
        return None if self.piece is None else self.piece.cursor(self.taken)


class Merge:
    """The rows of several tapes in one order; a `Feed`."""

    def __init__(self, tapes: Sequence[Tape]) -> None:
        self._tapes = list(tapes)
        kinds: dict[str, type] = {}
        for tape in tapes:
            kinds |= tape.fields
        self._fields = dict(sorted(kinds.items()))
        self._words = {name: Dictionary() for name, kind in kinds.items() if kind is str}
        self._aggregates = aggregate_names()
        self._sources = pa.array([tape.spec.name for tape in tapes], pa.string())
        types = list(dict.fromkeys(tape.spec.event_type for tape in tapes))
        self._types = pa.array(types, pa.string())
        self._kinds = np.array([types.index(tape.spec.event_type) for tape in tapes], np.int32)
        self.schema = pa.schema(_BASE | {name: _ARROW[kind] for name, kind in self._fields.items()})
        self._lanes: list[_Lane] | None = None
        self._seek: dict[str, Any] = {}
        self._position = self._skip = 0

    def seek(self, cursor: str) -> None:
        """Go on behind the batch that had this cursor; before the first read.

        Its field `skip` says how many rows behind that.
        """
        fields = json.loads(cursor)
        self._position, self._seek = int(fields["position"]), fields["tapes"]
        self._skip = int(fields.get("skip", 0))
        for tape in self._tapes:
            place = self._seek.get(tape.spec.name)
            if place is not None:
                tape.seek(place)

    @property
    def position(self) -> int:
        """The position of the next row."""
        return self._position

    def read(self, limit: int) -> FeedBatch | None:
        """The next rows, `limit` (1 or more) at most; None at the end or when closed.

        Raises `FeedError` leaves: the same one again if asked again.
        """
        if limit < 1:
            raise ValueError(f"limit must be 1 or more, not {limit}")
        while self._skip:
            skipped, self._skip = self._skip, 0
            batch = self.read(skipped)
            self._skip = 0 if batch is None else skipped - batch.rows.num_rows
        lanes = self._open()
        if not lanes:
            return None
        for lane in lanes:
            lane.fill()
        taken = self._take(lanes, limit)
        if taken is None:
            return None
        rows = self._batch(*taken)
        self._position += rows.num_rows
        return FeedBatch(rows, self._position, self._cursor(lanes))

    def rejected(self) -> RejectReport:
        """The rows that could not be used so far."""
        reports = [tape.rejected() for tape in self._tapes]
        counts: Counter[tuple[str, str]] = Counter()
        for report in reports:
            counts.update(report.counts)
        rows = tuple(row for report in reports for row in report.rows)
        return RejectReport(dict(counts), rows[:LISTED])

    def digests(self) -> dict[str, str]:
        """Hex SHA-256 of each input's content, by feed name."""
        return {tape.spec.name: tape.digest() for tape in self._tapes}

    def close(self) -> None:
        """Release the files."""
        self._lanes = []

    def _open(self) -> list[_Lane]:
        if self._lanes is None:
            self._lanes = [
                _Lane(tape, tape.pieces(self._aggregates, self._words)) for tape in self._tapes
            ]
        return self._lanes

    def _take(
        self, lanes: list[_Lane], limit: int
    ) -> tuple[list[tuple[int, Piece, slice]], NDArray[np.intp]] | None:
        """Cut from each lane what comes before all that is not at hand yet, `limit` rows."""
        ready = [min(limit, self._ready(lanes, number)) for number in range(len(lanes))]
        known = np.concatenate(
            [lane.waiting[:count] for lane, count in zip(lanes, ready, strict=True)]
        )
        if not len(known):
            return None
        number = np.repeat(np.arange(len(lanes)), ready)
        order = np.arange(len(known)) if len(lanes) == 1 else np.argsort(known, kind="stable")
        chosen = order[:limit]
        counts = np.bincount(number[chosen], minlength=len(lanes)).tolist()
        cuts = []
        for at, (lane, count) in enumerate(zip(lanes, counts, strict=True)):
            if count and lane.piece is not None:
                cuts.append((at, lane.piece, slice(lane.taken, lane.taken + count)))
                lane.taken += count
        starts = np.concatenate(([0], np.cumsum(ready)[:-1]))
        packed = np.concatenate(([0], np.cumsum(counts)[:-1]))
        return cuts, chosen - starts[number[chosen]] + packed[number[chosen]]

    def _ready(self, lanes: list[_Lane], number: int) -> int:
        """How many rows at hand come before anything another lane may still bring."""
        waiting = lanes[number].waiting
        count = len(waiting)
        for other, lane in enumerate(lanes):
            if other == number or lane.ended or not len(lane.waiting):
                continue
            side: Literal["left", "right"] = "right" if number < other else "left"
            count = min(count, int(waiting.searchsorted(lane.waiting[-1], side)))
        return count

    def _cursor(self, lanes: list[_Lane]) -> str:
        tapes = {lane.tape.spec.name: lane.cursor() for lane in lanes}
        kept = {name: place or self._seek.get(name) for name, place in tapes.items()}
        return json.dumps({"position": self._position, "tapes": kept}, sort_keys=True)

    def _batch(
        self, cuts: list[tuple[int, Piece, slice]], order: NDArray[np.intp]
    ) -> pa.RecordBatch:
        def joined(parts: list[Any]) -> Any:
            return parts[0] if len(parts) == 1 else np.concatenate(parts)[order]

        source = joined([np.full(c.stop - c.start, n, np.int32) for n, _, c in cuts])
        position = np.arange(self._position, self._position + len(source))
        aggregates = joined([piece.aggregates[cut] for _, piece, cut in cuts])
        columns = {
            "aggregate": self._aggregates.array(aggregates),
            "event_time": pa.array(joined([piece.time[cut] for _, piece, cut in cuts])),
            "known_at": pa.array(joined([piece.known_at[cut] for _, piece, cut in cuts])),
            "position": pa.array(position),
            "source": pa.DictionaryArray.from_arrays(pa.array(source), self._sources),
            "row": pa.array(joined([piece.row[cut] for _, piece, cut in cuts])),
            "type": pa.DictionaryArray.from_arrays(pa.array(self._kinds[source]), self._types),
        }
        for name in self._fields:
            values = joined([self._values(name, piece, cut) for _, piece, cut in cuts])
            columns[name] = self._words[name].array(values) if name in self._words else values
        return pa.RecordBatch.from_pydict(columns, schema=self.schema)

    def _values(self, name: str, piece: Piece, cut: slice) -> NDArray[Any]:
        if name in piece.values:
            found: NDArray[Any] = piece.values[name][cut]
            return found
        rows = cut.stop - cut.start
        if name in self._words:
            return np.full(rows, self._words[name].code(""), np.int32)
        return np.zeros(rows, np.bool_) if self._fields[name] is bool else np.full(rows, np.nan)
