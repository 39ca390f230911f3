"""Rows as an Arrow IPC stream, and back."""

from __future__ import annotations

import pyarrow as pa

from runtime.engine.dictionaries import compact_rows


def write_ipc(rows: pa.RecordBatch, small: int = 0) -> pa.Buffer:
    """Rows as an Arrow IPC stream; of a dictionary, if it is not `small`, only what they need."""
    rows = compact_rows(rows, small)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_batch(rows)
    return sink.getvalue()


def read_ipc(stream: pa.Buffer | bytes) -> pa.RecordBatch:
    """The rows of an Arrow IPC stream of one batch."""
    with pa.ipc.open_stream(stream) as reader:
        return reader.read_next_batch()
