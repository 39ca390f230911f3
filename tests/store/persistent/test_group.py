"""What a group does with its consumers, its events and the time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.store.link import Resolved
from runtime.store.persistent import Name, Settings
from runtime.store.persistent.commands import (
    Checkpoint,
    Deliver,
    Park,
    Read,
    ReadParked,
    Truncate,
    Withdraw,
)
from runtime.store.persistent.group import Standing
from runtime.store.persistent.messages import (
    Acked,
    Action,
    Disconnected,
    Grown,
    Nacked,
    PageRead,
    ParkedRead,
    ReadFailed,
    Recorded,
    RecordFailed,
    ReplayAsked,
    Tick,
)
from runtime.store.persistent.settings import MAX_BYTES
from runtime.store.port import Filter
from tests.store.persistent.driver import PLAIN, Driver, event, ready

PARKED = Name("s-1", "g").parked


def link(revision: int, to: int) -> Resolved:
    """An event of the parked stream, and what it stands for."""
    made = event(revision, PARKED, type="$>", data=f"{to}@s-1".encode())
    return Resolved(event(to), made)


def answer(event_id: bytes, action: Action | None = None) -> Acked | Nacked:
    return Acked(1, [event_id]) if action is None else Nacked(1, [event_id], action)


class TestReading:
    def test_without_consumers_nothing_happens(self) -> None:
        driver = Driver()
        assert driver.tell(Grown()) == driver.tell(Tick(), after=9) == []
        assert driver.tell(ReplayAsked(5)) == []
        driver.connect()
        assert driver.reads == [(0, 10)]

    def test_it_goes_on_behind_what_it_read_while_there_is_room(self) -> None:
        driver = Driver(replace(PLAIN, history_buffer=25))
        driver.connect(size=1)
        driver.page([event(n) for n in range(10)], more=True)
        assert driver.reads == [(10, 10)]
        driver.page([event(n) for n in range(10, 20)], more=True)
        assert driver.reads == []
        driver.ack(0)
        assert driver.reads == []
        for revision in range(1, 5):
            driver.ack(revision)
        assert driver.reads == [(20, 10)]

    def test_at_the_end_it_waits_until_there_is_more(self) -> None:
        driver = ready()
        assert driver.reads == []
        assert driver.group.figures(0.0).status == "Live"
        driver.tell(Grown())
        assert driver.reads == [(3, 10)]
        driver.tell(Grown())
        driver.events(3)
        assert driver.reads == [(4, 10)]

    def test_what_grew_while_it_had_no_consumer_is_read(self) -> None:
        driver = ready()
        driver.tell(Disconnected(1))
        driver.tell(Grown())
        driver.connect(2)
        assert driver.reads == [(3, 10)]

    def test_after_a_checkpoint_it_goes_on_behind_it(self) -> None:
        driver = Driver(standing=Standing(checkpoint=6))
        driver.connect()
        assert driver.reads == [(7, 10)]

    def test_it_waits_while_what_is_not_done_with_is_large(self) -> None:
        driver = Driver(replace(PLAIN, max_checkpoint=1000))
        driver.connect(size=100)
        large = bytes(MAX_BYTES // 2)
        assert driver.page([event(0, data=large)], more=True) == [
            Deliver(1, Resolved(event(0, data=large)), 0),
            Read(1, 10),
        ]
        driver.page([event(1, data=large)], more=True)
        assert driver.reads == []
        driver.nack(Action.RETRY, 0)
        assert driver.reads == []
        driver.nack(Action.PARK, 0)
        (park,) = driver.of(Park)
        assert driver.reads == []
        driver.tell(Recorded(park, 0))
        assert driver.reads == [(2, 10)]

    def test_what_cannot_be_read_is_asked_for_again_at_the_next_tick(self) -> None:
        driver = Driver()
        driver.connect()
        assert driver.tell(ReadFailed()) == []
        driver.tell(Tick())
        assert driver.reads == [(0, 10)]


class TestInFlight:
    def test_is_bounded_by_what_a_consumer_takes(self) -> None:
        driver = ready(size=2, count=5)
        assert driver.delivered == [(1, 0, 0), (1, 1, 0)]
        driver.ack(0)
        assert driver.delivered == [(1, 2, 0)]
        figures = driver.group.figures(1.0)
        assert (figures.in_flight, figures.fresh, figures.retried) == (2, 2, 0)

    def test_unknown_ids_change_nothing(self) -> None:
        driver = ready(size=2, count=5)
        assert driver.ack(4, 9) == []
        assert driver.nack(Action.PARK, 9) == []

    def test_an_id_that_is_in_flight_is_passed_over(self) -> None:
        driver = ready()
        driver.page([event(3, event_id=event(0).event_id), event(4)])
        assert driver.delivered == [(1, 4, 0)]
        driver.ack(0, 1, 2, 4)
        assert driver.tell(Tick(), after=3) == [Checkpoint(4)]

    def test_another_consumer_may_answer_late(self) -> None:
        driver = ready(replace(PLAIN, message_timeout=500), size=3)
        driver.tell(Disconnected(1))
        driver.connect(2)
        driver.ack(0, consumer=1)
        assert driver.of(Withdraw) == [Withdraw(2, event(0).event_id)]


class TestRetry:
    @pytest.mark.parametrize("action", [Action.RETRY, Action.UNKNOWN])
    def test_comes_before_new_events_in_order(self, action: Action) -> None:
        driver = ready(size=3, count=6)
        driver.nack(action, 2, 0)
        assert driver.delivered == [(1, 0, 1), (1, 2, 1)]

    def test_when_there_was_no_answer_in_time(self) -> None:
        driver = ready(replace(PLAIN, message_timeout=500))
        assert driver.tell(Tick(), after=0.4) == []
        driver.tell(Tick(), after=0.1)
        assert driver.delivered == [(1, 0, 1), (1, 1, 1), (1, 2, 1)]
        assert [w.event_id for w in driver.of(Withdraw)] == [event(n).event_id for n in range(3)]

    def test_never_without_a_timeout(self) -> None:
        driver = ready(replace(PLAIN, message_timeout=0))
        assert driver.tell(Tick(), after=1e9) == []

    def test_after_too_many_it_is_parked(self) -> None:
        driver = ready(replace(PLAIN, max_retries=2), count=1)
        driver.nack(Action.RETRY, 0)
        driver.nack(Action.RETRY, 0)
        assert driver.delivered == [(1, 0, 2)]
        driver.nack(Action.RETRY, 0)
        assert driver.parked == [0]
        assert driver.of(Park)[0].reason == "Reached retry count of 2"
        assert driver.delivered == []

    def test_a_consumer_that_leaves_gives_back_what_it_had(self) -> None:
        driver = ready(replace(PLAIN, max_retries=0))
        driver.tell(Disconnected(1))
        driver.connect(2)
        assert driver.delivered == [(2, 0, 1), (2, 1, 1), (2, 2, 1)]
        driver.tell(Disconnected(2))
        driver.connect(3)
        assert driver.delivered == [(3, 0, 2), (3, 1, 2), (3, 2, 2)]


class TestNack:
    @pytest.mark.parametrize("action", [Action.SKIP, Action.STOP])
    def test_lets_the_event_go(self, action: Action) -> None:
        driver = ready(size=1, count=2)
        driver.nack(action, 0)
        assert driver.delivered == [(1, 1, 0)]
        assert driver.tell(Tick(), after=3) == [Checkpoint(0)]

    def test_parks_at_once(self) -> None:
        driver = ready()
        driver.nack(Action.PARK, 1, reason="poison")
        assert driver.parked == [1]
        assert driver.of(Park)[0].reason == "Client explicitly NAK'ed message.\npoison"

    def test_what_is_being_parked_is_not_done_with(self) -> None:
        driver = ready()
        (park,) = driver.nack(Action.PARK, 1)
        assert isinstance(park, Park)
        driver.ack(0, 2)
        assert driver.tell(Tick(), after=3) == [Checkpoint(0)]
        driver.tell(Recorded(Checkpoint(0), 0))
        driver.tell(Recorded(park, 0))
        assert driver.tell(Tick(), after=3) == [Checkpoint(2)]
        assert driver.group.figures(9.0).parked == 1

    def test_what_cannot_be_parked_is_delivered_again(self) -> None:
        driver = ready()
        (park,) = driver.nack(Action.PARK, 1)
        assert isinstance(park, Park)
        driver.tell(RecordFailed(park))
        assert driver.delivered == [(1, 1, 0)]


class TestCheckpoint:
    def test_lies_before_what_is_in_flight_or_waits(self) -> None:
        driver = ready(count=5)
        driver.ack(0, 1, 3)
        assert driver.tell(Tick(), after=3) == [Checkpoint(1)]

    def test_is_due_when_enough_is_done(self) -> None:
        settings = replace(PLAIN, min_checkpoint=2, max_checkpoint=4, checkpoint_after=5000)
        driver = ready(settings, count=9)
        driver.ack(0)
        assert driver.tell(Tick(), after=9) == []
        driver.ack(1)
        assert driver.last == []
        assert driver.tell(Tick()) == [Checkpoint(1)]
        driver.tell(Recorded(Checkpoint(1), 0))
        driver.ack(2, 3, 4)
        assert driver.tell(Tick(), after=4) == []
        assert driver.ack(5) == [Checkpoint(5)]

    def test_one_is_written_at_a_time(self) -> None:
        driver = ready(replace(PLAIN, max_checkpoint=1))
        assert driver.ack(0) == [Checkpoint(0)]
        assert driver.ack(1) == []
        assert driver.tell(Recorded(Checkpoint(0), 0)) == [Checkpoint(1)]
        assert driver.group.figures(1.0).checkpoint == 0

    def test_one_that_failed_is_due_again(self) -> None:
        driver = ready(replace(PLAIN, max_checkpoint=5), count=1)
        driver.ack(0)
        assert driver.tell(Tick(), after=3) == [Checkpoint(0)]
        assert driver.tell(RecordFailed(Checkpoint(0))) == []
        assert driver.tell(Tick(), after=3) == [Checkpoint(0)]

    def test_one_that_failed_waits_for_a_tick_however_much_is_done(self) -> None:
        driver = ready(replace(PLAIN, max_checkpoint=1))
        assert driver.ack(0) == [Checkpoint(0)]
        assert driver.tell(RecordFailed(Checkpoint(0))) == []
        assert driver.ack(1) == []
        assert driver.tell(Tick()) == [Checkpoint(1)]

    def test_nothing_done_is_nothing_written(self) -> None:
        driver = ready(replace(PLAIN, min_checkpoint=0))
        assert driver.tell(Tick(), after=9) == []

    def test_much_that_a_filter_passed_over_is_written_down(self) -> None:
        log = Name("$all", "g")
        for only, written in ((Filter(type_prefixes=["T"]), [Checkpoint(9_000)]), (Filter(), [])):
            driver = Driver(name=log, only=only)
            driver.connect()
            assert driver.tell(PageRead([], 9_000, more=False)) == written


class TestReplay:
    def replaying(self, stop_at: int | None = None) -> Driver:
        """The events 0 and 1 are parked, 2 is in flight, 3 waits."""
        driver = Driver(standing=Standing(checkpoint=1, parked_last=1))
        driver.connect(size=1)
        driver.events(2, 3)
        driver.tell(ReplayAsked(1, stop_at))
        return driver

    def test_comes_after_retries_and_before_new_events(self) -> None:
        driver = self.replaying()
        assert driver.of(ReadParked) == [ReadParked(0, 2)]
        assert driver.group.figures(0.0).status == "ReplayingParkedMessages, Live"
        driver.tell(ParkedRead([link(0, 0), link(1, 1)]))
        driver.nack(Action.RETRY, 2)
        assert driver.delivered == [(1, 2, 1)]
        driver.ack(2)
        assert driver.delivered == [(1, 0, 0)]
        assert driver.group.figures(0.0).parked == 0

    def test_the_stream_is_cut_when_all_is_done(self) -> None:
        driver = self.replaying()
        driver.tell(ParkedRead([link(0, 0), link(1, 1)]))
        driver.ack(2)
        own = [link(revision, revision).original.event_id for revision in range(2)]
        driver.tell(answer(own[0]))
        assert driver.of(Truncate) == []
        driver.tell(Tick())
        assert driver.of(Truncate) == [Truncate(1)]
        driver.tell(Recorded(Truncate(1), 0))
        driver.tell(answer(own[1]))
        assert driver.of(Truncate) == [Truncate(2)]

    def test_a_cut_that_failed_waits_for_a_tick(self) -> None:
        driver = self.replaying()
        driver.tell(ParkedRead([Resolved(None, link(0, 9).link), Resolved(None, link(1, 9).link)]))
        assert driver.of(Truncate) == [Truncate(2)]
        assert driver.tell(RecordFailed(Truncate(2))) == []
        driver.ack(2)
        assert driver.of(Truncate) == []
        driver.tell(Tick())
        assert driver.of(Truncate) == [Truncate(2)]

    def test_stops_before_the_revision_asked_for(self) -> None:
        driver = self.replaying(stop_at=1)
        assert driver.of(ReadParked) == [ReadParked(0, 1)]
        driver.tell(ParkedRead([link(0, 0)]))
        assert driver.group.figures(0.0).parked == 1
        driver.tell(ReplayAsked(1))
        assert driver.of(ReadParked) == [ReadParked(1, 1)]

    def test_another_one_meanwhile_is_ignored(self) -> None:
        driver = self.replaying(stop_at=1)
        assert driver.tell(ReplayAsked(1)) == []

    def test_a_link_to_nothing_is_passed_over(self) -> None:
        driver = self.replaying()
        driver.tell(ParkedRead([Resolved(None, link(0, 9).link), link(1, 1)]))
        driver.ack(2)
        assert driver.delivered == [(1, 1, 0)]

    def test_what_is_parked_anew_is_done_with(self) -> None:
        driver = self.replaying(stop_at=1)
        driver.tell(ParkedRead([link(0, 0)]))
        driver.ack(2)
        (park, *_) = driver.tell(answer(link(0, 0).original.event_id, Action.PARK))
        assert isinstance(park, Park)
        assert not driver.of(Truncate)
        driver.tell(Recorded(park, 2))
        assert driver.of(Truncate) == [Truncate(1)]
        assert driver.group.figures(0.0).parked == 2


def test_figures() -> None:
    driver = ready(Settings(start=0, extra_statistics=True), size=2)
    driver.now = 2.0
    driver.ack(0)
    figures = driver.group.figures(2.0)
    assert (figures.rate.total, figures.rate.recent, figures.rate.per_second) == (3, 3, 1)
    (consumer,) = figures.consumers
    assert (consumer.in_flight, consumer.room, consumer.latencies["Mean"]) == (2, 0, 2000)
    assert (figures.known, figures.checkpoint) == (2, None)
    assert driver.group.figures(3.0).rate.recent == 0
