"""Text columns whose dictionary is shared with other batches, and may hold far more than the rows.

A feed's dictionary grows with all that it has seen, so that codes mean the same in all batches. A
part of few rows must not cost what that holds, wherever it is sent, stored or counted.
"""

from __future__ import annotations

import pyarrow as pa

SMALL = 256
"""A dictionary of so few texts costs less to pass on than to make compact."""


def compact(column: pa.DictionaryArray, small: int = 0) -> pa.DictionaryArray:
    """The same texts, in a dictionary that holds no more than they need.

    One that is no longer than the column, or has no more than `small` texts, is left as it is.

    >>> codes, texts = pa.array([3, None, 3]), pa.array(["a", "b", "c", "d"])
    >>> compact(pa.DictionaryArray.from_arrays(codes, texts)).dictionary.to_pylist()
    ['d']
    """
    if len(column.dictionary) <= max(small, len(column)):
        return column
    used = column.indices.dictionary_encode()
    return pa.DictionaryArray.from_arrays(used.indices, column.dictionary.take(used.dictionary))


def compact_rows(rows: pa.RecordBatch, small: int = 0) -> pa.RecordBatch:
    """The same rows, each text column `compact`."""
    least = max(small, rows.num_rows)
    if not any(_is_longer(column, least) for column in rows.columns):
        return rows
    columns = [compact(one, small) if _is_longer(one, least) else one for one in rows.columns]
    return pa.RecordBatch.from_arrays(columns, schema=rows.schema)


def size_of(rows: pa.RecordBatch) -> int:
    """Bytes that rows take; of a dictionary that is longer than they are, their share."""
    size, count = int(rows.nbytes), rows.num_rows
    for column in rows.columns:
        if _is_longer(column, count):
            texts = column.dictionary
            size -= int(texts.nbytes) * (len(texts) - count) // len(texts)
    return size


def _is_longer(column: pa.Array, count: int) -> bool:
    return isinstance(column, pa.DictionaryArray) and len(column.dictionary) > count
