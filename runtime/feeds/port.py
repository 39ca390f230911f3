"""What the engine asks of a feed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class FeedBatch:
    """Rows of a feed: the position they reach, and where to go on behind them.

    Every row with a position below `end` is in this batch or an earlier one; `cursor` is
    handed to `seek` to go on behind it.
    """

    rows: pa.RecordBatch
    end: int
    cursor: str


class Feed(Protocol):
    schema: pa.Schema

    def read(self, limit: int) -> FeedBatch | None: ...
    def seek(self, cursor: str) -> None: ...
    def close(self) -> None: ...
