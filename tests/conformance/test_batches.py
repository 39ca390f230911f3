"""The log as Arrow record batches."""

from __future__ import annotations

import pyarrow as pa
import pytest

from runtime.errors import FilterInvalid
from runtime.events import NewEvent, RecordedEvent, named_id
from runtime.store import EventStore, Expected, Filter
from runtime.store.table import ROWS, SCHEMA
from tests.conformance.samples import event


def events_of(batches: list[pa.RecordBatch]) -> list[RecordedEvent]:
    """The rows as events again."""
    assert all(batch.schema == SCHEMA and 0 < len(batch) <= ROWS for batch in batches)
    found = []
    for batch in batches:
        columns = batch.to_pydict() | {"recorded_at": batch["recorded_at"].cast(pa.int64())}
        columns["recorded_at"] = columns["recorded_at"].to_pylist()
        found += [RecordedEvent(*row) for row in zip(*columns.values(), strict=True)]
    return found


@pytest.fixture
def filled(store: EventStore) -> EventStore:
    raw = NewEvent(named_id("raw"), "Raw", b"\x00\xff", b"", json=False)
    store.append("a-1", Expected.ANY, [event("one"), raw])
    for first in range(0, 2 * ROWS, 512):
        many = [event(f"m{number}") for number in range(first, first + 512)]
        store.append(f"b-{first % 3}", Expected.ANY, many)
    return store


def test_they_hold_the_events_of_the_log(filled: EventStore) -> None:
    log = list(filled.read_all())
    assert events_of(list(filled.read_batches())) == log
    assert events_of(list(filled.read_batches(log[5000].position))) == log[5000:]
    assert list(filled.read_batches(log[-1].position + 1)) == []


def test_they_hold_what_a_filter_lets_pass(filled: EventStore) -> None:
    for only in (Filter(["b-1"]), Filter(types=["Raw"]), Filter(type_pattern="^R")):
        found = events_of(list(filled.read_batches(only=only)))
        assert found == list(filled.read_all(only=only))
        assert found
    with pytest.raises(FilterInvalid):
        list(filled.read_batches(only=Filter(type_pattern="(")))


def test_an_empty_log_has_none(store: EventStore) -> None:
    assert list(store.read_batches()) == []
