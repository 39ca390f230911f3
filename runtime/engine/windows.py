"""From Arrow rows, sorted by aggregate, to one window an aggregate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from runtime.deciding import Text, Window
from runtime.engine.dictionaries import SMALL, compact
from runtime.errors import ConfigError
from runtime.events import Cause, id_text, observation_id


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a message to a host, as NumPy columns; sorted by aggregate."""

    aggregates: Text
    time: NDArray[np.int64]
    known_at: NDArray[np.int64]
    position: NDArray[np.int64]
    row: NDArray[np.int64]
    source: Text
    types: Text
    protocol: Text | None
    ids: pa.Array | None
    columns: Mapping[str, NDArray[Any] | Text]

    def cause(self, index: int) -> Cause:
        """What a decision on row `index` comes from."""
        source = self.source.values[self.source.codes[index]]
        row = int(self.row[index])
        known = observation_id(source, row) if self.ids is None else self.ids[index].as_py()
        return Cause(
            id_text(known),
            source,
            row,
            int(self.position[index]),
            int(self.time[index]),
            int(self.known_at[index]),
        )

    def protocol_of(self, index: int) -> str | None:
        """The protocol that row `index` itself names, if rows of this stage do."""
        return None if self.protocol is None else self.protocol.values[self.protocol.codes[index]]

    def windows(self) -> Iterator[tuple[int, Window]]:
        """Each aggregate's window, with the index of its first row."""
        codes = self.aggregates.codes
        borders = [0, *(np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist(), len(codes)]
        one_type = self.types.values[0] if len(self.types.values) == 1 else None
        same_clock = self.known_at is self.time
        for start, end in pairwise(borders):
            cut = slice(start, end)
            time = self.time[cut]
            columns = {
                name: column.cut(cut) if isinstance(column, Text) else column[cut]
                for name, column in self.columns.items()
            }
            yield (
                start,
                Window(
                    self.aggregates.values[codes[start]],
                    time,
                    time if same_clock else self.known_at[cut],
                    one_type if one_type is not None else self.types.cut(cut),
                    columns,
                ),
            )


def read_rows(batch: pa.RecordBatch, inputs: Mapping[str, type]) -> Rows:
    """The columns a stage needs; an input that the batch lacks is NaN, "" or False throughout.

    `inputs` gives the type of each input: float, str or bool.
    """
    names = set(batch.schema.names)
    time = _integers(batch, "event_time")
    known_at = _integers(batch, "known_at")
    return Rows(
        aggregates=_text(batch.column("aggregate")),
        time=time,
        known_at=time if np.array_equal(time, known_at) else known_at,
        position=_integers(batch, "position"),
        row=_integers(batch, "row"),
        source=_text(batch.column("source")),
        types=_text(batch.column("type")),
        protocol=_text(batch.column("protocol")) if "protocol" in names else None,
        ids=batch.column("id") if "id" in names else None,
        columns={
            name: _read(batch.column(name), kind)
            if name in names
            else _absent(kind, batch.num_rows)
            for name, kind in inputs.items()
        },
    )


def columns_for(inputs: Sequence[Mapping[str, type]]) -> dict[str, type]:
    """All inputs of several strategies together, in the order of their first mention.

    Raises `ConfigError` if two read one as different types.
    """
    merged: dict[str, type] = {}
    for one in inputs:
        for name, kind in one.items():
            if merged.setdefault(name, kind) is not kind:
                raise ConfigError(
                    f"strategies of one stage read {name!r} as {merged[name].__name__} and as"
                    f" {kind.__name__}"
                )
    return merged


def _values(column: pa.Array) -> NDArray[Any]:
    """Numbers without nulls as NumPy sees them, nothing copied.

    `to_numpy` would import pandas first, where it is installed: a quarter of a second of each host.
    So would a scalar, as `fill_null` makes one: it is called for what has nulls alone.
    """
    values: NDArray[Any] = np.from_dlpack(column)
    return values


def _integers(batch: pa.RecordBatch, name: str) -> NDArray[np.int64]:
    return _values(batch.column(name))


def _flags(column: pa.Array) -> NDArray[np.bool_]:
    return _values(column.cast(pa.uint8())).view(np.bool_)


def _text(column: pa.DictionaryArray) -> Text:
    column = compact(column, SMALL)
    indices = column.indices
    if not indices.null_count:
        return Text(_values(indices), column.dictionary.to_pylist())
    codes = pa.Array.from_buffers(
        indices.type, len(indices), [None, indices.buffers()[1]], offset=indices.offset
    )
    known = _flags(indices.is_valid())
    return Text(np.where(known, _values(codes), -1).astype(np.int32), column.dictionary.to_pylist())


def _read(column: pa.Array, kind: type) -> NDArray[Any] | Text:
    if kind is str:
        return _text(column)
    if kind is bool:
        known = pc.fill_null(column, False) if column.null_count else column  # noqa: FBT003
        return _flags(known)
    return _values(pc.fill_null(column, np.nan) if column.null_count else column)


def _absent(kind: type, rows: int) -> NDArray[Any] | Text:
    if kind is str:
        return Text(np.full(rows, -1, np.int32), ())
    absent: NDArray[Any] = np.zeros(rows, np.bool_) if kind is bool else np.full(rows, np.nan)
    absent.flags.writeable = False
    return absent
