"""What a stage reads, in the shape the runner wants."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runtime.engine.blocks import read_block
from runtime.engine.commands import Advance
from runtime.engine.dictionaries import compact
from runtime.engine.messages import BatchArrived, FeedEnded, FeedIdle
from runtime.engine.results import Taken
from runtime.errors import ConfigError
from runtime.feeds import DecisionTape, Feed, FeedBatch, Quiet

Select = Mapping[str, tuple[str, ...]]


class Observations:
    """The merged observations, cut down to the event types and values a stage wants.

    `key` names the text column that becomes the aggregate; rows where it is empty are
    passed over. With a `block` above 1, each batch is a whole block of positions.
    """

    def __init__(
        self,
        stage: str,
        feed: Feed,
        listens: tuple[str, ...],
        key: str,
        select: Select,
        *,
        block: int = 1,
    ) -> None:
        self._stage, self._feed, self._key, self._block = stage, feed, key, block
        self._wanted = {"type": listens, **select}
        missing = [name for name in (key, *select) if name not in feed.schema.names]
        if missing:
            raise ConfigError(
                f"no feed has the column {missing[0]!r} that stage {stage!r} goes by;"
                f" there are: {', '.join(feed.schema.names)}"
            )

    def read(self, limit: int) -> BatchArrived | FeedIdle | FeedEnded:
        """The next observations."""
        block = self._block
        batch = self._feed.read(limit) if block == 1 else read_block(self._feed, block)
        if batch is None:
            return FeedEnded(self._stage)
        if isinstance(batch, Quiet):
            return FeedIdle(self._stage)
        return _arrived(self._stage, batch, self._wanted, self._key)

    def advance(self, command: Advance) -> None:
        """Observations wait for nobody."""

    def widen(self, columns: Mapping[str, type]) -> None:
        """Observations have all columns there are."""


class Decisions:
    """The decisions of earlier stages."""

    def __init__(self, stage: str, tape: DecisionTape, select: Select) -> None:
        self._stage, self._tape, self._select = stage, tape, select
        self._watermark, self._ended = -1, False

    def read(self, limit: int) -> BatchArrived | FeedIdle | FeedEnded:
        """The next decisions that are complete in the log."""
        batch = self._tape.read(limit)
        if batch is not None:
            return _arrived(self._stage, batch, self._select, "aggregate")
        if self._ended:
            return FeedEnded(self._stage)
        return FeedIdle(self._stage, self._watermark)

    def advance(self, command: Advance) -> None:
        """The log is complete up to a watermark."""
        self._tape.advance(command.watermark, command.log)
        self._watermark, self._ended = command.watermark, command.ended

    def widen(self, columns: Mapping[str, type]) -> None:
        """Read these columns of decisions from now on."""
        self._tape.widen(columns)


def _arrived(stage: str, batch: FeedBatch, wanted: Select, key: str) -> BatchArrived:
    rows = batch.rows
    mask = np.ones(rows.num_rows, np.bool_)
    for name, values in wanted.items():
        mask &= _is_in(rows.column(name), values)
    if key != "aggregate":
        column = rows.column(key)
        mask &= ~_is_in(column, ("",))
        rows = rows.set_column(rows.schema.get_field_index("aggregate"), "aggregate", column)
    if not mask.all():
        rows = rows.filter(pa.array(mask))
    taken = None if batch.dropped is None else Taken(batch.end, batch.dropped)
    return BatchArrived(
        stage, rows, batch.end, batch.cursor, taken=taken, waiting=batch.waiting, age=batch.age
    )


def _is_in(column: pa.DictionaryArray, values: tuple[str, ...]) -> NDArray[np.bool_]:
    column = compact(column)
    chosen = np.array([value in values for value in column.dictionary.to_pylist()] + [False])
    indices = column.indices
    if indices.null_count:
        indices = indices.fill_null(-1)
    codes = indices.to_numpy(zero_copy_only=False)
    found: NDArray[np.bool_] = chosen[codes]
    return found
