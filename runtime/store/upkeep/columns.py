"""Entries of the log as columns, for Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from runtime.events import Entry, RecordedEvent, Scavenged

SCHEMA = pa.schema(
    [
        pa.field("position", pa.uint64(), nullable=False),
        pa.field("stream", pa.string(), nullable=False),
        pa.field("revision", pa.uint64(), nullable=False),
        pa.field("event_id", pa.binary(16), nullable=False),
        pa.field("type", pa.string()),
        pa.field("data", pa.binary()),
        pa.field("metadata", pa.binary()),
        pa.field("json", pa.bool_()),
        pa.field("recorded_at", pa.timestamp("ns", "UTC")),
        pa.field("digest", pa.binary()),
    ]
)
"""The columns of an exported log: those of an event from `type` to `recorded_at`, which are null
for a removed one; of that, the digest that is kept is in `digest` (empty if there was none)."""

MOST_ROWS, MOST_BYTES = 16_384, 32 * 2**20
"""Where a row group ends: at so many rows, or so many bytes of data and metadata."""

_KEPT = ("type", "data", "metadata", "json", "recorded_at")


def row_groups(entries: Iterable[Entry]) -> Iterator[pa.Table]:
    """The entries as tables of bounded size; the same entries make the same tables."""
    rows: list[dict[str, Any]] = []
    size = 0
    for entry in entries:
        rows.append(_row(entry))
        if isinstance(entry, RecordedEvent):
            size += len(entry.data) + len(entry.metadata)
        if len(rows) == MOST_ROWS or size >= MOST_BYTES:
            yield _table(rows)
            rows, size = [], 0
    if rows:
        yield _table(rows)


def read_row(row: dict[str, Any]) -> Entry:
    """The entry of a row; `ValueError` if it cannot be one."""
    place = row["position"], row["stream"], row["revision"]
    if row["digest"] is not None:
        if len(row["digest"]) not in {0, 32} or any(row[name] is not None for name in _KEPT):
            raise ValueError("it has a digest, but is no removed event")
        return Scavenged(*place, row["event_id"], row["digest"].hex())
    missing = [name for name in _KEPT if row[name] is None]
    if missing:
        raise ValueError(f"it has no {missing[0]}")
    fields = row["event_id"], row["type"], row["data"], row["metadata"], row["recorded_at"]
    return RecordedEvent(*place, *fields, row["json"])


def read_rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows of a batch, times in ns."""
    times = batch.column("recorded_at").cast(pa.int64())
    at = batch.schema.get_field_index("recorded_at")
    rows: list[dict[str, Any]] = batch.set_column(at, "recorded_at", times).to_pylist()
    return rows


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, SCHEMA)


def _row(entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {
        "position": entry.position,
        "stream": entry.stream,
        "revision": entry.revision,
        "event_id": entry.event_id,
    }
    if isinstance(entry, Scavenged):
        return row | {"digest": bytes.fromhex(entry.digest)}
    return row | {name: getattr(entry, name) for name in _KEPT}
