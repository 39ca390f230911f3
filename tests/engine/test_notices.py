"""What the log is told of aggregates in quarantine, by one process after the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.engine import notices
from runtime.engine.committer import StoredLog
from runtime.engine.held import in_quarantine
from runtime.engine.ipc import write_ipc
from runtime.engine.notices import NoticeBook
from runtime.engine.pen import Author
from runtime.engine.results import Advanced, Freed, Held, Notice, Parked, Releasing, Who
from runtime.engine.simulation.feed import rows_of
from runtime.errors import QuarantineFull
from runtime.events import RecordedEvent, quarantine_stream
from runtime.identity import SigningKey
from runtime.store import SqliteStore, Write

ONE = Who("one", "a")
STAMP = {"strategy": "m:S", "version": "1", "parameters": {}}
KEY = SigningKey.demo("run")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore.open(tmp_path / "log.db") as opened:
        yield opened


def told(store: SqliteStore, *told: Notice) -> list[RecordedEvent]:
    """What a process that has just begun records of these notices; the whole stream after it."""
    author = Author("study", "id", KEY.did, KEY.sign, {"one": STAMP})
    book = NoticeBook.of(author, StoredLog(store))
    for notice in told:
        book.note("stage", notice)
    if appends := book.appends():
        store.write(Write(tuple(appends)))
    return list(store.read_stream(quarantine_stream("study", *ONE)))


def parked(position: int, **more: float) -> Parked:
    row = write_ipc(rows_of(["a"], [position])).to_pybytes()
    return Parked(ONE, position, "it raises", "", b"", row)._replace(**more)


def held(*positions: int) -> Held:
    rows = write_ipc(rows_of(["a"] * len(positions), list(positions))).to_pybytes()
    return Held(ONE, positions, rows)


def count(store: SqliteStore) -> int:
    """How many events are held, as the log has it."""
    last = list(store.read_stream(quarantine_stream("study", *ONE)))[-1]
    return int(json.loads(last.data)["held"])


def test_the_events_held_are_counted_from_one_process_to_the_next(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "HELD_EVENTS", 4)
    told(store, parked(3), held(3, 5, 6))
    told(store, held(5, 6, 8))
    assert count(store) == 4, "those that were held before are not counted twice"
    with pytest.raises(QuarantineFull, match="'a' of agent 'one' are held since position 3"):
        told(store, held(9))


def test_what_was_released_is_not_counted_any_more(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "HELD_EVENTS", 4)
    told(store, parked(3), held(3, 5, 6, 8))
    told(store, Releasing(ONE, 3, 5, drop=False), Advanced(ONE, 6, 2))
    assert count(store) == 2
    told(store, held(9, 11))
    told(store, Releasing(ONE, 6, 11, drop=False), parked(9, gone=2))
    assert count(store) == 2
    told(store, held(12, 13))
    told(store, Releasing(ONE, 9, 13, drop=False), Freed(ONE))
    assert count(store) == 0


def test_a_release_that_came_to_nothing_is_over_for_the_next_process(store: SqliteStore) -> None:
    told(store, parked(3), held(3, 5))
    told(store, Releasing(ONE, 3, 5, drop=False))
    (begun,) = in_quarantine(store, "study")["stage"]
    assert begun.releasing
    events = told(store, Releasing(ONE, 3, 5, drop=False), parked(3))
    assert [event.type for event in events[-2:]] == ["ReleaseBegun", "AggregateParked"]
    (again,) = in_quarantine(store, "study")["stage"]
    assert (again.position, again.held_to, again.releasing) == (3, 5, False)


def test_what_is_left_to_be_tried_again_is_recorded(store: SqliteStore) -> None:
    told(store, parked(3, after=1.0, attempts=2), held(3, 5))
    (waiting,) = in_quarantine(store, "study")["stage"]
    assert (waiting.tries, waiting.again) == (0, True)
    begun = Releasing(ONE, 3, 5, drop=False)
    told(store, begun, parked(3, after=1.0, attempts=2, tries=1))
    (waiting,) = in_quarantine(store, "study")["stage"]
    assert (waiting.tries, waiting.again) == (1, True)
    told(store, begun, parked(3, after=1.0, attempts=2, tries=2))
    (last,) = in_quarantine(store, "study")["stage"]
    assert (last.tries, last.again) == (2, False)
