"""A tape: recorded history as chunks of checked, typed rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runtime.errors import ColumnMissing, FeedDamaged, FeedEmpty, FeedError
from runtime.events import AGGREGATE, observation_fields
from runtime.feeds.checks import Order
from runtime.feeds.columns import raw_values
from runtime.feeds.dictionary import Dictionary
from runtime.feeds.files import (
    CHUNK,
    Chunk,
    content_digest,
    format_of,
    read_chunks,
    row_count_of,
)
from runtime.feeds.port import RejectedRow, RejectReport
from runtime.feeds.rows import Cut, Reader
from runtime.feeds.spec import TapeSpec


class Source(Protocol):
    """Where a tape's rows come from."""

    def chunks(self, start: int) -> Iterator[Chunk]:
        """The rows from number `start` on."""

    def digest(self) -> str:
        """Hex SHA-256 of the content."""


@dataclass(frozen=True, slots=True)
class FileSource:
    """Rows of a file."""

    spec: TapeSpec
    path: Path

    def chunks(self, start: int) -> Iterator[Chunk]:
        """The rows from number `start` on."""
        kind = format_of(self.path, self.spec.format)
        return read_chunks(self.path, kind, self.spec.file_columns(), start)

    def digest(self) -> str:
        """Hex SHA-256 of the file."""
        return content_digest(self.path)


@dataclass(frozen=True, slots=True)
class TableSource:
    """Rows of a table in memory."""

    spec: TapeSpec
    table: pa.Table

    def chunks(self, start: int) -> Iterator[Chunk]:
        """The rows from number `start` on."""
        missing = [name for name in self.spec.file_columns() if name not in self.table.column_names]
        if missing:
            present = ", ".join(self.table.column_names)
            raise ColumnMissing(
                f"the table of feed {self.spec.name!r} has no column {missing[0]!r};"
                f" it has: {present}"
            )
        if not self.table.num_rows:
            raise FeedEmpty(f"the table of feed {self.spec.name!r} holds no row")
        first = start
        for batch in self.table.slice(start).to_batches(max_chunksize=CHUNK):
            yield first, batch
            first += batch.num_rows

    def digest(self) -> str:
        """Hex SHA-256 of the table as an Arrow IPC stream, however it is chunked."""
        table = self.table.replace_schema_metadata(None).combine_chunks()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=CHUNK)
        return sha256(sink.getvalue()).hexdigest()


@dataclass(frozen=True, slots=True)
class Piece:
    """Usable rows of a chunk, in file order.

    `resume` is where to go on reading if only rows before number `n` of it were taken.
    """

    row: NDArray[np.int64]
    time: NDArray[np.int64]
    known_at: NDArray[np.int64]
    aggregates: NDArray[np.int32]
    values: Mapping[str, Any]
    resume: Mapping[str, Any]

    def cursor(self, taken: int) -> dict[str, Any]:
        """Where to go on behind the first `taken` rows."""
        return {**self.resume, "row": int(self.row[taken - 1]) + 1 if taken else self.resume["row"]}


@dataclass(slots=True)
class _Place:
    """Where a tape stands, as its cursor tells it: see `Reader` for `known` and `group`."""

    row: int = 0
    chunk: int = 0
    group: int = 0
    known: int = -1
    rejected: dict[str, int] = field(default_factory=dict)
    quarantined: list[str] = field(default_factory=list)


class Tape:
    """The rows of one declared input; `base` is where relative paths start.

    Raises `FeedError` leaves. Rows before a bad one are handed out before it is raised.
    """

    def __init__(self, spec: TapeSpec, base: Path = Path(), source: Source | None = None) -> None:
        self.spec = spec
        self.fields = {
            name: observation_fields(spec.event_type)[name].kind for name in spec.columns
        }
        self._source: Source = source or FileSource(spec, base / spec.path)
        self._listed: list[RejectedRow] = []
        self._place = _Place()
        self._reader: Reader | None = None

    def seek(self, cursor: Mapping[str, Any]) -> None:
        """Go on where the cursor of a piece says."""
        self._place = _Place(**cursor)

    def digest(self) -> str:
        """Hex SHA-256 of the content."""
        return self._source.digest()

    def pieces(self, aggregates: Dictionary, words: Mapping[str, Dictionary]) -> Iterator[Piece]:
        """The usable rows, piece by piece; `words` holds the dictionary of each text field."""
        place = self._place
        order = Order(place.known, place.group)
        self._reader = reader = Reader(self.spec, aggregates, words, order)
        reader.counts.update(place.rejected)
        reader.parked.update(place.quarantined)
        begin = min(place.group, place.chunk) if place.known >= 0 else place.chunk
        for first, batch in self._source.chunks(begin):
            yield from self._read(reader, first, batch)

    def rejected(self) -> RejectReport:
        """The rows that could not be used so far."""
        counts = {} if self._reader is None else self._reader.counts
        name = self.spec.name
        return RejectReport(
            {(name, reason): count for reason, count in counts.items()}, tuple(self._listed)
        )

    def _read(self, reader: Reader, first: int, batch: pa.RecordBatch) -> Iterator[Piece]:
        chunk = self._place.chunk
        if first < chunk:
            before = min(batch.num_rows, chunk - first)
            with _typed(self.spec.name):
                reader.relearn(first, batch.slice(0, before))
            first, batch = first + before, batch.slice(before)
            if not batch.num_rows:
                return
        resume = {
            "row": max(first, self._place.row),
            "chunk": first,
            "group": reader.order.group,
            "known": reader.order.known,
            "rejected": dict(reader.counts),
            "quarantined": sorted(reader.parked),
        }
        with _typed(self.spec.name):
            cut, error = reader.read(first, batch, self._listed)
        piece = self._piece(cut, resume)
        if len(piece.row):
            yield piece
        if error is not None:
            raise error

    def _piece(self, cut: Cut, resume: dict[str, Any]) -> Piece:
        keep = cut.row >= self._place.row
        if keep.all():
            return Piece(cut.row, cut.time, cut.known_at, cut.aggregates, cut.values, resume)
        return Piece(
            cut.row[keep],
            cut.time[keep],
            cut.known_at[keep],
            cut.aggregates[keep],
            {name: values[keep] for name, values in cut.values.items()},
            resume,
        )


@contextmanager
def _typed(feed: str) -> Iterator[None]:
    try:
        yield
    except pa.ArrowException as error:
        text = str(error).partition("\n")[0]
        raise FeedDamaged(f"feed {feed!r}: a column cannot be used as declared: {text}") from None


def aggregate_names() -> Dictionary:
    """A dictionary that knows what an aggregate may be called."""
    return Dictionary(lambda name: AGGREGATE.fullmatch(name) is not None)


def table_tape(spec: TapeSpec, table: pa.Table) -> Tape:
    """A tape over a table in memory, for notebooks and tests."""
    return Tape(spec, source=TableSource(spec, table))


def row_count(spec: TapeSpec, base: Path = Path()) -> int | None:
    """How many rows a declared file holds, if it says so itself (Parquet)."""
    path = base / spec.path
    return row_count_of(path, format_of(path, spec.format))


def observation(spec: TapeSpec, base: Path, row: int) -> dict[str, Any]:
    """All columns of a row of a declared file, as they stand there; `FeedError` without it."""
    path = base / spec.path
    for first, batch in read_chunks(path, format_of(path, spec.format), None, row):
        if first <= row < first + batch.num_rows:
            return raw_values(batch, row - first)
    raise FeedError(f"{path} has no row {row}")
