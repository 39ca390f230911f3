"""The log as it was written, for audits and exports."""

from __future__ import annotations

import pytest

from runtime.errors import StreamNotFound
from runtime.events import NewEvent, named_id
from runtime.store import EventStore, Expected
from tests.conformance.samples import event


def test_a_stream_and_the_log_from_any_place_on(store: EventStore) -> None:
    for number in range(5):
        store.append("a-1", Expected.ANY, [event(f"a{number}")])
        store.append("b-1", Expected.ANY, [event(f"b{number}")])
    stream, log = list(store.read_stream("a-1")), list(store.read_all())
    assert list(store.entries("a-1")) == stream
    assert list(store.entries("a-1", 3)) == stream[3:]
    assert list(store.entries("a-1", 1, limit=2)) == stream[1:3]
    assert list(store.entries()) == log
    assert list(store.entries(None, log[4].position, limit=3)) == log[4:7]
    for nothing in (store.entries("a-1", 9), store.entries("a-1", limit=0)):
        assert list(nothing) == []


def test_a_stream_that_was_never_written(store: EventStore) -> None:
    with pytest.raises(StreamNotFound):
        list(store.entries("none-1"))


def _large(number: int) -> NewEvent:
    return NewEvent(named_id(f"a{number}"), "Large", b"x" * 700_000, b"", json=False)


def test_large_events_hide_none_behind_them(store: EventStore) -> None:
    for number in range(6):
        store.append("a-1", Expected.ANY, [_large(number)])
    revisions = [0, 1, 2, 3, 4, 5]
    assert [entry.revision for entry in store.entries("a-1")] == revisions
    assert [entry.revision for entry in store.entries()] == revisions
    assert [found.revision for found in store.read_stream("a-1")] == revisions
