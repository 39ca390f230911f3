"""Small declared inputs, and a row-by-row model of what a feed makes of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from runtime.feeds import Feed, Merge, Tape, TapeSpec, table_tape

Taken = tuple[str, int]
"""Feed and row number."""


class Row(NamedTuple):
    """A recorded price: aggregate, event time and known-at (ns), price."""

    aggregate: str
    time: int
    known: int
    price: float


def price_spec(name: str = "prices", **changes: Any) -> TapeSpec:
    """A declaration of prices in columns a, t (ns) and p."""
    declared = {
        "name": name,
        "event_type": "PriceObserved",
        "aggregate": ["a"],
        "event_time": {"column": "t", "unit": "ns"},
        "columns": {"price": "p"},
    }
    return TapeSpec(**(declared | changes))


def price_table(rows: Sequence[Row]) -> pa.Table:
    """Columns a, t, k (known-at) and p."""
    return pa.table(
        {
            "a": pa.array([row.aggregate for row in rows], pa.string()),
            "t": pa.array([row.time for row in rows], pa.int64()),
            "k": pa.array([row.known for row in rows], pa.int64()),
            "p": pa.array([row.price for row in rows], pa.float64()),
        }
    )


def price_tape(rows: Sequence[Row], name: str = "prices", policy: str = "skip") -> Tape:
    """A tape over `rows`, with a column of known-at times."""
    known = {"column": "k", "unit": "ns"}
    return table_tape(price_spec(name, policy=policy, known_at=known), price_table(rows))


def drain(feed: Feed, limit: int = 1_000) -> list[dict[str, Any]]:
    """All rows that are left."""
    rows: list[dict[str, Any]] = []
    while (batch := feed.read(limit)) is not None:
        assert 1 <= batch.rows.num_rows <= limit
        assert batch.rows.schema == feed.schema
        rows += batch.rows.to_pylist()
        assert batch.end == rows[-1]["position"] + 1
    return rows


def taken(rows: Sequence[dict[str, Any]]) -> list[Taken]:
    """Feed and number of each row."""
    return [(row["source"], row["row"]) for row in rows]


def judged(rows: Sequence[Row], policy: str) -> tuple[list[int], Counter[str]]:
    """Numbers of the rows that can be used, and the reasons against the others, one by one."""
    kept: list[int] = []
    reasons: Counter[str] = Counter()
    parked: set[str] = set()
    seen: set[tuple[str, int, int]] = set()
    highest = -1
    for number, row in enumerate(rows):
        reason = _own_fault(row)
        if not reason and row.aggregate in parked:
            reason = "quarantined"
        if not reason and row.known < highest:
            reason = "unsorted"
        if not reason and row[:3] in seen:
            reason = "duplicate"
        if reason:
            reasons[reason] += 1
            if policy == "quarantine":
                parked.add(row.aggregate)
            continue
        seen.add(row[:3])
        highest = row.known
        kept.append(number)
    return kept, reasons


def _own_fault(row: Row) -> str:
    if row.known < row.time:
        return "known before it happened"
    if math.isinf(row.price):
        return "not finite"
    if math.isnan(row.price):
        return "missing"
    return "absurd" if row.price <= 0 else ""


def merged(tapes: Sequence[tuple[str, Sequence[Row]]], policy: str) -> list[Taken]:
    """What a merge must hand out, by a plain sort."""
    keyed = [
        (rows[number].known, rank, number, name)
        for rank, (name, rows) in enumerate(tapes)
        for number in judged(rows, policy)[0]
    ]
    return [(name, number) for _, _, number, name in sorted(keyed)]


def merge_of(tapes: Sequence[tuple[str, Sequence[Row]]], policy: str) -> Merge:
    """A fresh merge over `tapes`."""
    return Merge([price_tape(rows, name, policy) for name, rows in tapes])
