"""What the engine asks of a feed, and what a feed tells of rows it could not use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import pyarrow as pa

LISTED = 1_000
"""How many rejected rows are listed one by one; the others are only counted."""


class Drop(NamedTuple):
    """Rows that were dropped under a policy, as inclusive ranges of positions."""

    policy: str
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class FeedBatch:
    """Rows of a feed: the position they reach, and where to go on behind them.

    Every row with a position below `end` is in this batch, an earlier one, or among those that
    were `dropped`; `cursor` is handed to `seek` to go on behind it. `dropped` is None of a
    feed that never drops any; `waiting` is how many rows are due behind this batch, `age` for
    how many seconds its first row has been due.
    """

    rows: pa.RecordBatch
    end: int
    cursor: str
    dropped: tuple[Drop, ...] | None = None
    waiting: int = 0
    age: float = 0.0


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing is due now; the feed has not ended."""


QUIET = Quiet()


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that could not be used: its number in the file of `feed` (from 0), and why."""

    feed: str
    row: int
    aggregate: str
    reason: str
    detail: str

    def __str__(self) -> str:
        where = f" ({self.aggregate})" if self.aggregate else ""
        return f"feed {self.feed} row {self.row}{where}: {self.detail}"


@dataclass(frozen=True, slots=True)
class RejectReport:
    """Rows that could not be used: counts by (feed, reason), and the first of them."""

    counts: Mapping[tuple[str, str], int]
    rows: tuple[RejectedRow, ...]


class Feed(Protocol):
    """Ordered batches of observations.

    Columns of `schema`: aggregate, source (the feed's name), type (dictionaries of text),
    event_time, known_at (int64 ns), position (int64, place in the merged order, from 0
    without gaps), row (int64, number in its file), and the fields by name: float64, bool,
    or dictionaries of text.
    """

    schema: pa.Schema

    @property
    def position(self) -> int:
        """The position of the next row."""

    def read(self, limit: int) -> FeedBatch | Quiet | None:
        """The next rows, `limit` at most; None at the end. Raises `FeedError` leaves."""

    def seek(self, cursor: str) -> None:
        """Go on behind the batch that had this cursor; before the first read."""

    def rejected(self) -> RejectReport:
        """The rows that could not be used so far."""

    def digests(self) -> dict[str, str]:
        """Hex SHA-256 of each input's content, by feed name."""

    def close(self) -> None:
        """Release the files."""
