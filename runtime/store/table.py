"""Events as columns: the log as Arrow record batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from operator import attrgetter

import pyarrow as pa

from runtime.events import RecordedEvent
from runtime.store.query import Row

SCHEMA = pa.schema(
    [
        pa.field("position", pa.uint64(), nullable=False),
        pa.field("stream", pa.string(), nullable=False),
        pa.field("revision", pa.uint64(), nullable=False),
        pa.field("event_id", pa.binary(16), nullable=False),
        pa.field("type", pa.string(), nullable=False),
        pa.field("data", pa.binary(), nullable=False),
        pa.field("metadata", pa.binary(), nullable=False),
        pa.field("recorded_at", pa.timestamp("ns", "UTC"), nullable=False),
        pa.field("json", pa.bool_(), nullable=False),
    ]
)
"""The columns of an event, named and ordered as its fields are."""

ROWS = 4096
"""Events of a batch at the most."""


_FIELDS = attrgetter(*SCHEMA.names)


def record_batch(rows: Iterable[Row]) -> pa.RecordBatch:
    """A batch of the rows, which has `SCHEMA`."""
    *columns, json = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
    flags = [each == 1 for each in json]
    arrays = map(pa.array, [*columns, flags], SCHEMA.types)
    return pa.RecordBatch.from_arrays(list(arrays), schema=SCHEMA)


def record_batches(events: Iterable[RecordedEvent]) -> Iterator[pa.RecordBatch]:
    """The events batch by batch, of `ROWS` each but the last."""
    left = iter(events)
    while rows := list(map(_FIELDS, islice(left, ROWS))):
        yield record_batch(rows)
