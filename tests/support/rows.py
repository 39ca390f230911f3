"""Rows as a host is sent them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

TEXT = pa.dictionary(pa.int32(), pa.string())


def observed(aggregates: list[str], **columns: Any) -> pa.RecordBatch:
    """Rows of these aggregates, in a feed named rates; `columns` adds some or replaces usual ones.

    Lists of text become dictionaries.
    """
    count = len(aggregates)
    usual: dict[str, Any] = {
        "aggregate": aggregates,
        "source": ["rates"] * count,
        "type": ["PoolRateObserved"] * count,
        "event_time": list(range(count)),
        "position": list(range(count)),
        "row": list(range(count)),
    }
    merged = usual | columns
    merged.setdefault("known_at", merged["event_time"])
    return pa.RecordBatch.from_pydict({name: _array(part) for name, part in merged.items()})


def _array(values: Any) -> pa.Array:
    if not isinstance(values, list):
        return values
    known = [value for value in values if value is not None]
    return pa.array(values, TEXT) if known and isinstance(known[0], str) else pa.array(values)
