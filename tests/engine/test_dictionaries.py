"""Rows cost what they hold, and not what the feed has seen."""

from __future__ import annotations

import pyarrow as pa
import pytest

from runtime.engine.batch import Batch
from runtime.engine.dictionaries import compact, compact_rows, size_of
from runtime.engine.ipc import read_ipc, write_ipc
from runtime.engine.windows import read_rows

SEEN = [f"pool-{number}" for number in range(50_000)]


def rows(names: list[str | None], seen: list[str] = SEEN) -> pa.RecordBatch:
    """Rows of these aggregates; their feed has seen so many."""
    codes = pa.array([None if name is None else seen.index(name) for name in names], pa.int32())
    places = pa.array(range(len(names)), pa.int64())
    return pa.RecordBatch.from_arrays(
        [pa.DictionaryArray.from_arrays(codes, pa.array(seen)), places], ["aggregate", "position"]
    )


def test_what_is_sent_or_held_of_few_rows_is_short():
    few = rows(["pool-7", "pool-7", "pool-49999"])
    stream = write_ipc(few)
    assert stream.size < 2_000
    assert read_ipc(stream).to_pylist() == few.to_pylist()


def test_a_dictionary_that_is_no_longer_than_the_rows_stays():
    few = rows(["b", "a", "b"], ["a", "b", "c"])
    assert compact_rows(few) is few
    assert compact(few.column("aggregate")).dictionary.to_pylist() == ["a", "b", "c"]


@pytest.mark.parametrize("names", [[], [None], ["pool-1", None, "pool-1"], ["pool-2", "pool-1"]])
def test_compact_rows_are_the_same_rows(names: list[str | None]):
    made = compact_rows(rows(names))
    assert made.schema == rows(names).schema
    assert made.column("aggregate").to_pylist() == names
    assert made.column("aggregate").dictionary.to_pylist() == [
        name for name in dict.fromkeys(names) if name is not None
    ]


def test_a_batch_takes_credit_for_its_rows_and_not_for_what_was_seen():
    names = [f"pool-{number}" for number in range(1_000)]
    large, small = (Batch(0, rows(names, seen), (), 0, "") for seen in (SEEN, names))
    assert small.bytes == rows(names, names).nbytes == size_of(rows(names, names))
    assert small.bytes <= large.bytes < 1.2 * small.bytes


def test_a_host_reads_no_more_names_than_it_has_rows():
    whole = pa.RecordBatch.from_arrays(
        [
            *rows(["pool-3", "pool-3", "pool-9"]).columns,
            *(pa.array([1, 2, 3], pa.int64()) for _ in range(3)),
            *(pa.array(["x"] * 3).dictionary_encode() for _ in range(2)),
        ],
        ["aggregate", "position", "event_time", "known_at", "row", "source", "type"],
    )
    aggregates = read_rows(whole, {}).aggregates
    assert list(aggregates.values) == ["pool-3", "pool-9"]
    assert aggregates.codes.tolist() == [0, 0, 1]
