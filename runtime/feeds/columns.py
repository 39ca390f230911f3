"""From columns as they stand in a file to times, numbers, flags and text. Vectorised.

Each conversion answers the values and a mask of the rows it could not read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from runtime.events import parse_time
from runtime.feeds.spec import TIME_UNITS

Mask = NDArray[np.bool_]

LAST_TIME = 2**63 - 1
_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$|^\s*[+-]?([nN]a[nN]|[iI]nf(inity)?)\s*$"
_INTEGER = r"^(\d{1,18}|[0-8]\d{18})$"
_NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_FALSE, _TRUE = ("false", "0", "no", "f"), ("true", "1", "yes", "t")


def plain(column: pa.Array) -> pa.Array:
    """The column without dictionary encoding, large text as text."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    return column


def read_numbers(column: pa.Array) -> tuple[NDArray[np.float64], Mask]:
    """float64 values; null is NaN, and only what is no number at all is masked."""
    column = plain(column)
    bad = np.zeros(len(column), np.bool_)
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan), bad
    if pa.types.is_string(column.type):
        good = pc.fill_null(pc.match_substring_regex(column, _NUMBER), True)  # noqa: FBT003
        bad = ~good.to_numpy(zero_copy_only=False)
        if bad.any():
            column = pc.if_else(good, column, None)
        column = pc.utf8_trim_whitespace(column)
    elif not _is_number(column.type):
        return np.full(len(column), np.nan), ~bad
    numbers = column.cast(pa.float64(), safe=False)
    return numbers.to_numpy(zero_copy_only=False), bad


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    )


def read_flags(column: pa.Array) -> tuple[pa.Array, Mask]:
    """Booleans, with nulls kept; numbers are true unless 0."""
    column = plain(column)
    bad = np.zeros(len(column), np.bool_)
    if pa.types.is_boolean(column.type):
        return column, bad
    if pa.types.is_string(column.type):
        lower = pc.utf8_lower(column)
        true = pc.is_in(lower, pa.array(_TRUE))
        known = pc.or_(pc.or_(true, pc.is_in(lower, pa.array(_FALSE))), pc.is_null(column))
        bad = ~known.to_numpy(zero_copy_only=False)
        return pc.if_else(pc.is_null(column), None, true), bad
    numbers, bad = read_numbers(column)
    return pa.array(numbers != 0, pa.bool_(), mask=np.isnan(numbers)), bad


def read_text(column: pa.Array) -> pa.Array:
    """Text; null is empty."""
    column = plain(column)
    if not pa.types.is_string(column.type):
        column = column.cast(pa.string())
    return pc.fill_null(column, "")


def read_times(column: pa.Array, unit: str) -> tuple[NDArray[np.int64], Mask]:
    """int64 nanoseconds since 1970 UTC; masked are null, unreadable and out of 1970 to 2262."""
    column = plain(column)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return _stamps(column)
    if unit == "iso":
        return _texts(column)
    return _counted(column, TIME_UNITS[unit])


def _stamps(column: pa.Array) -> tuple[NDArray[np.int64], Mask]:
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s" if pa.types.is_date32(column.type) else "ms"))
    return _counted(column.cast(pa.int64()), _NANOSECONDS[column.type.unit])


def _texts(column: pa.Array) -> tuple[NDArray[np.int64], Mask]:
    if not pa.types.is_string(column.type):
        return np.zeros(len(column), np.int64), np.ones(len(column), np.bool_)
    coded = column.dictionary_encode()
    values = np.array([_parsed(text) for text in coded.dictionary.to_pylist()] + [-1], np.int64)
    times = values[pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)]
    return times, times < 0


def _parsed(text: str) -> int:
    try:
        time = parse_time(text.strip())
    except ValueError:
        return -1
    return time if 0 <= time <= LAST_TIME else -1


def _counted(column: pa.Array, nanoseconds: int) -> tuple[NDArray[np.int64], Mask]:
    if pa.types.is_integer(column.type):
        return _counted_integers(column, nanoseconds)
    if not pa.types.is_string(column.type):
        return _counted_floats(column, nanoseconds)
    text = pc.utf8_ltrim(pc.utf8_trim_whitespace(column), "+")
    whole = pc.fill_null(pc.match_substring_regex(text, _INTEGER), False)  # noqa: FBT003
    times, bad = _counted_integers(pc.if_else(whole, text, None).cast(pa.int64()), nanoseconds)
    rest = ~whole.to_numpy(zero_copy_only=False)
    if rest.any():
        times[rest], bad[rest] = _counted_floats(column.filter(pa.array(rest)), nanoseconds)
    return times, bad


def _counted_integers(column: pa.Array, nanoseconds: int) -> tuple[NDArray[np.int64], Mask]:
    whole = pc.fill_null(column.cast(pa.int64(), safe=False), -1)
    counts = whole.to_numpy(zero_copy_only=False)
    bad = (counts < 0) | (counts > LAST_TIME // nanoseconds)
    return np.where(bad, 0, counts) * nanoseconds, bad


def _counted_floats(column: pa.Array, nanoseconds: int) -> tuple[NDArray[np.int64], Mask]:
    numbers, bad = read_numbers(column)
    with np.errstate(invalid="ignore"):
        bad = bad | ~(numbers >= 0) | (numbers >= LAST_TIME / nanoseconds)
    usable = np.where(bad, 0, numbers)
    whole = np.floor(usable)
    rest = np.rint((usable - whole) * nanoseconds).astype(np.int64)
    return whole.astype(np.int64) * nanoseconds + rest, bad


def raw_values(batch: pa.RecordBatch, index: int) -> dict[str, Any]:
    """The values of a row as they stand in the file, by column."""
    return {
        name: _raw(batch.column(number)[index]) for number, name in enumerate(batch.schema.names)
    }


def _raw(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except (ValueError, OverflowError):
        return str(value.cast(pa.int64()))
