"""What is kept of a feed that is too far behind, and what is told of the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from threading import Event
from typing import Any

import pytest

from runtime.errors import FeedError
from runtime.feeds import QUIET, Bound, Drop, FeedBatch, Live, Merge, Quiet, Record
from runtime.feeds.backlog import Backlog
from tests.feeds.samples import Row, drain, price_tape

BEGIN = json.dumps({"position": 0, "tapes": {}})


def merge(count: int, names: str = "ab") -> Merge:
    rows = [Row(names[at % len(names)], at, at, 1.0 + at) for at in range(count)]
    return Merge([price_tape(rows)])


def backlog(bound: Bound, count: int = 12, names: str = "ab", record: Record | None = None) -> Any:
    feed = merge(count, names)
    held = Backlog({"prices": bound}, record or Record(), 0, BEGIN)
    read = feed.read(count)
    assert isinstance(read, FeedBatch)
    held.add(read)
    return held


def positions(batch: FeedBatch) -> list[int]:
    return list(batch.rows.column("position").to_pylist())


def test_nothing_is_taken_before_it_is_due() -> None:
    held = backlog(Bound("block", 100))
    held.come_due(-1)
    assert held.take(10) is None
    held.come_due(4)
    batch = held.take(3)
    assert positions(batch) == [0, 1, 2]
    assert (batch.end, batch.waiting) == (3, 2)


def test_conflation_keeps_the_latest_of_each_aggregate() -> None:
    held = backlog(Bound("conflate", 5))
    held.come_due(11)
    batch = held.take(100)
    assert positions(batch) == [10, 11]
    assert batch.dropped == (Drop("conflate", ((0, 9),)),)


def test_rejection_keeps_the_oldest() -> None:
    held = backlog(Bound("reject", 5))
    held.come_due(11)
    batch = held.take(100)
    assert positions(batch) == [0, 1, 2, 3, 4]
    assert batch.dropped == (Drop("reject", ((5, 11),)),)
    assert batch.end == 12


def test_a_drop_is_told_with_the_first_batch_behind_it() -> None:
    held = backlog(Bound("reject", 5))
    held.come_due(11)
    first, second = held.take(2), held.take(100)
    assert first.dropped == ()
    assert second.dropped == (Drop("reject", ((5, 11),)),)


def test_a_feed_that_blocks_is_read_no_further() -> None:
    held = backlog(Bound("block", 5))
    held.come_due(11)
    assert held.waiting == 12
    assert not held.hungry
    held.take(10)
    assert held.hungry


def test_more_aggregates_than_may_wait_are_not_conflated_further() -> None:
    held = backlog(Bound("conflate", 3), names="abcdef")
    held.come_due(11)
    assert held.waiting == 6
    assert not held.hungry


def test_what_was_taken_in_before_is_kept_and_what_was_dropped_is_not() -> None:
    record = Record.of(8, [Drop("conflate", ((2, 3),))])
    held = backlog(Bound("conflate", 5), record=record)
    held.come_due(11)
    batch = held.take(100)
    assert positions(batch) == [0, 1, 4, 5, 6, 7, 10, 11]
    assert batch.dropped == (Drop("conflate", ((2, 3), (8, 9))),)


@pytest.mark.parametrize("taken", range(1, 12))
def test_its_cursor_goes_on_at_the_next_row(taken: int) -> None:
    held = backlog(Bound("block", 100))
    held.come_due(11)
    batch = held.take(taken)
    again = merge(12)
    again.seek(batch.cursor)
    assert [row["position"] for row in drain(again)] == list(range(taken, 12))


def test_its_cursor_goes_on_at_the_next_row_however_often_it_was_left() -> None:
    cursor, at = BEGIN, 0
    for taken in (2, 3, 1, 4):
        feed = merge(12)
        feed.seek(cursor)
        held = Backlog({"prices": Bound("block", 100)}, Record(), at, cursor)
        read = feed.read(12)
        assert isinstance(read, FeedBatch)
        held.add(read)
        held.come_due(11)
        batch = held.take(taken)
        assert batch is not None
        assert positions(batch) == list(range(at, at + taken))
        cursor, at = batch.cursor, batch.end


def test_a_drop_that_is_not_due_yet_is_not_told() -> None:
    record = Record.of(12, [Drop("conflate", ((5, 5),))])
    held = backlog(Bound("conflate", 100), record=record)
    held.come_due(2)
    assert positions(held.take(10)) == [0, 1, 2]
    assert held.take(10) is None
    held.come_due(11)
    assert held.take(10).dropped == (Drop("conflate", ((5, 5),)),)


def played(feed: Live, woken: Event) -> Iterator[int]:
    """The positions of a live feed, as they come."""
    with closing(feed):
        while (batch := feed.read(10)) is not None:
            if isinstance(batch, FeedBatch):
                yield from positions(batch)
            else:
                assert woken.wait(10.0)
                woken.clear()


def test_a_live_feed_never_waits_and_wakes_its_reader() -> None:
    woken = Event()
    live = Live(merge(6), 1e-7, {"prices": Bound("block", 10)}, Record(), woken.set)
    assert isinstance(live.read(10), Quiet)
    assert list(played(live, woken)) == list(range(6))


def test_what_is_before_a_bad_row_comes_first() -> None:
    woken = Event()
    rows = [Row("a", at, at, 1.0 if at < 5 else -1.0) for at in range(6)]
    tape = Merge([price_tape(rows, policy="reject")])
    live = Live(tape, 1e-7, {"prices": Bound("block", 10)}, Record(), woken.set)
    came: list[int] = []
    with pytest.raises(FeedError, match="row 5"):
        came.extend(played(live, woken))
    assert came == list(range(5))
    with pytest.raises(FeedError, match="row 5"):
        live.read(10)


def test_what_ends_its_thread_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    tape = merge(6)
    woken = Event()
    live = Live(tape, 1e-7, {"prices": Bound("block", 10)}, Record(), woken.set)

    def read(limit: int) -> FeedBatch:
        raise MemoryError(f"no room for {limit} rows")

    monkeypatch.setattr(tape, "read", read)
    with pytest.raises(MemoryError, match="no room for"):
        list(played(live, woken))


def test_a_live_feed_comes_to_the_last_time_there_is() -> None:
    woken = Event()
    tape = Merge([price_tape([Row("a", at, at, 1.0) for at in (0, 2**62, 2**63 - 1)])])
    live = Live(tape, 1e300, {"prices": Bound("block", 10)}, Record(), woken.set)
    assert list(played(live, woken)) == [0, 1, 2]


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_a_live_feed_goes_on_where_it_was_left(limit: int) -> None:
    first = Live(merge(9), 1e9, {"prices": Bound("block", 100)}, Record(), lambda: None)
    batch: object = QUIET
    while not isinstance(batch, FeedBatch):
        batch = first.read(limit)
    first.close()
    woken = Event()
    second = Live(merge(9), 1e9, {"prices": Bound("block", 100)}, Record(), woken.set)
    second.seek(batch.cursor)
    assert second.position == batch.end
    assert positions(batch) + list(played(second, woken)) == list(range(9))
