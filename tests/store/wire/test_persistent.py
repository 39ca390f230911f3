"""Persistent subscriptions, as KurrentDB's Python client sees them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event

import grpc
import msgspec
import pytest
from esdbclient import EventStoreDBClient, NewEvent
from esdbclient.exceptions import (
    AlreadyExists,
    GrpcError,
    InternalError,
    MaximumSubscriptionsReached,
    NotFound,
)

from runtime.store import connection
from runtime.store.pattern import matches
from runtime.store.wire.desk import THREADS
from tests.store.wire.consumer import SECONDS, Consumer, options
from tests.store.wire.groups import (
    ANY,
    CHECKPOINTS,
    PARKED,
    append,
    checkpoint,
    create,
    info_of,
    parked_events,
    reading,
    revisions,
    take,
)
from tests.support.waiting import becomes

pytestmark = pytest.mark.usefixtures("quick_ticks")
SLOW = "slow"


@pytest.fixture
def slow_filter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Names are matched with the pattern `SLOW` only once this is set; for stores opened later."""
    over = Event()

    def match(pattern: str, name: str) -> bool:
        if SLOW in pattern:
            over.wait()
        return matches(pattern, name)

    monkeypatch.setattr(connection, "matches", match)
    yield over
    over.set()


class TestGroups:
    def test_are_created_changed_and_deleted(self, client: EventStoreDBClient) -> None:
        create(client, message_timeout=3.0, max_subscriber_count=2)
        with pytest.raises(AlreadyExists, match="group g on stream s-1 exists"):
            create(client)
        info = client.get_subscription_info("g", "s-1")
        assert (info.event_source, info.group_name, info.start_from) == ("s-1", "g", "0")
        assert (info.message_timeout, info.max_subscriber_count) == (3.0, 2)
        assert info.consumer_strategy == "DispatchToSingle"
        client.update_subscription_to_stream("g", "s-1", message_timeout=4.0)
        changed = client.get_subscription_info("g", "s-1")
        assert (changed.message_timeout, changed.max_subscriber_count) == (4.0, 2)
        client.delete_subscription("g", "s-1")
        for ask in (client.get_subscription_info, client.delete_subscription):
            with pytest.raises(NotFound):
                ask("g", "s-1")

    def test_are_listed(self, client: EventStoreDBClient) -> None:
        assert client.list_subscriptions() == []
        create(client)
        client.create_subscription_to_stream("h", "s-1")
        client.create_subscription_to_all("g")
        listed = [(each.event_source, each.group_name) for each in client.list_subscriptions()]
        assert listed == [("$all", "g"), ("s-1", "g"), ("s-1", "h")]
        found = client.list_subscriptions_to_stream("s-1")
        assert [each.group_name for each in found] == ["g", "h"]
        assert client.list_subscriptions_to_stream("s-2") == []

    def test_that_are_missing(self, client: EventStoreDBClient) -> None:
        with pytest.raises(NotFound):
            client.read_subscription_to_stream("g", "s-1")
        with pytest.raises(NotFound):
            client.replay_parked_events("g", "s-1")
        with pytest.raises(NotFound):
            client.update_subscription_to_stream("g", "s-1")

    def test_that_cannot_be_served(self, client: EventStoreDBClient) -> None:
        with pytest.raises(InternalError, match="ReadBatchSize"):
            create(client, read_batch_size=500, history_buffer_size=500)
        with pytest.raises(InternalError, match="commit position"):
            client.create_subscription_to_all("g", commit_position=10**9)
        with pytest.raises(GrpcError, match="no regular expression"):
            client.create_subscription_to_all("g", filter_include=("(",))
        assert client.list_subscriptions() == []

    def test_take_no_more_consumers_than_they_may(self, client: EventStoreDBClient) -> None:
        create(client, max_subscriber_count=1)
        with reading(client), pytest.raises(MaximumSubscriptionsReached):
            client.read_subscription_to_stream("g", "s-1")
        with reading(client):
            pass

    def test_deleted_they_leave_nothing(self, client: EventStoreDBClient) -> None:
        append(client, 2)
        create(client)
        with reading(client) as subscription:
            first, second = take(subscription, 2)
            subscription.nack(first, "park")
            subscription.ack(second)
            becomes(lambda: checkpoint(client), "1")
            client.delete_subscription("g", "s-1")
            with pytest.raises(GrpcError, match="was dropped"):
                next(subscription)
        for stream in (CHECKPOINTS, PARKED):
            with pytest.raises(NotFound):
                client.get_stream(stream)
        create(client)
        with reading(client) as subscription:
            assert revisions(take(subscription, 2)) == [0, 1]


class TestStart:
    def test_at_the_beginning_a_revision_or_the_end(self, client: EventStoreDBClient) -> None:
        append(client, 5)
        starts = {"g": {}, "h": {"stream_position": 3}, "i": {"from_end": True}}
        for group, start in starts.items():
            client.create_subscription_to_stream(group, "s-1", **start)
        append(client, 1)
        told = [client.get_subscription_info(group, "s-1").start_from for group in starts]
        assert told == ["0", "3", "-1"]
        found = [
            next(client.read_subscription_to_stream(group, "s-1", timeout=SECONDS))
            for group in starts
        ]
        assert revisions(found) == [0, 3, 5]

    def test_of_the_log(self, client: EventStoreDBClient) -> None:
        append(client, 3)
        at = client.get_stream("s-1")[1].commit_position
        starts = {"g": {}, "h": {"commit_position": at}, "i": {"from_end": True}}
        for group, start in starts.items():
            client.create_subscription_to_all(group, filter_include=("T",), **start)
        append(client, 1)
        told = [client.get_subscription_info(group).start_from for group in starts]
        assert told == ["C:0/P:0", f"C:{at}/P:{at}", "C:-1/P:-1"]
        found = [next(client.read_subscription_to_all(group, timeout=SECONDS)) for group in starts]
        assert revisions(found) == [0, 1, 3]

    def test_before_the_stream_is_there(self, client: EventStoreDBClient) -> None:
        create(client)
        with reading(client) as subscription:
            append(client, 2)
            assert revisions(take(subscription, 2)) == [0, 1]


class TestNack:
    def test_retry_comes_back_at_once(self, client: EventStoreDBClient) -> None:
        append(client, 3)
        create(client)
        for action in ("retry", "unknown"):
            with reading(client, size=1) as subscription:
                (first,) = take(subscription, 1)
                subscription.nack(first, action)
                (again,) = take(subscription, 1)
                assert (again.id, again.retry_count) == (first.id, (first.retry_count or 0) + 1)

    @pytest.mark.parametrize("action", ["skip", "stop"])
    def test_lets_the_event_go(self, client: EventStoreDBClient, action: str) -> None:
        append(client, 2)
        create(client)
        with reading(client, size=1) as subscription:
            subscription.nack(next(subscription), action)
            assert next(subscription).stream_position == 1
            becomes(lambda: checkpoint(client), "0")
        assert not parked_events(client)

    def test_park_puts_it_aside(self, client: EventStoreDBClient) -> None:
        append(client, 3)
        create(client)
        with reading(client) as subscription:
            first, second, third = take(subscription, 3)
            subscription.nack(second, "park")
            becomes(lambda: client.get_subscription_info("g", "s-1").parked_message_count, 1)
            subscription.ack(first)
            subscription.ack(third)
            becomes(lambda: checkpoint(client), "2")
        (link,) = client.get_stream(PARKED)
        assert (link.type, link.data) == ("$>", b"1@s-1")
        metadata = msgspec.json.decode(link.metadata)
        assert metadata["subscriptionEventNumber"] == 1
        assert metadata["reason"] == "Client explicitly NAK'ed message.\n"
        assert set(metadata) == {"added", "reason", "subscriptionEventNumber"}

    def test_after_too_many_retries_it_is_parked(self, client: EventStoreDBClient) -> None:
        append(client, 1)
        create(client, max_retry_count=2)
        with reading(client) as subscription:
            for retries in range(3):
                event = next(subscription)
                assert event.retry_count == retries
                subscription.nack(event, "retry")
            becomes(lambda: len(parked_events(client)), 1)
        (link,) = client.get_stream(PARKED)
        assert msgspec.json.decode(link.metadata)["reason"] == "Reached retry count of 2"


class TestTime:
    def test_without_an_answer_it_is_retried_and_then_parked(
        self, client: EventStoreDBClient
    ) -> None:
        append(client, 1)
        create(client, message_timeout=0.3, max_retry_count=2)
        with reading(client) as subscription:
            counts = [next(subscription).retry_count]
            while counts[-1] != 2:
                counts.append(next(subscription).retry_count)
            assert counts in ([0, 1, 2], [0, 2], [1, 2], [2]), "a slow machine may miss some"
            becomes(lambda: len(parked_events(client)), 1)
            becomes(lambda: checkpoint(client), "0")

    def test_a_consumer_that_leaves_gives_back_what_it_had(
        self, client: EventStoreDBClient
    ) -> None:
        append(client, 3)
        create(client, max_retry_count=0)
        with reading(client) as subscription:
            assert revisions(take(subscription, 3)) == [0, 1, 2]
        with reading(client) as subscription:
            found = take(subscription, 3)
            assert [(e.stream_position, e.retry_count) for e in found] == [(0, 1), (1, 1), (2, 1)]
            append(client, 1)
            assert (found[0].retry_count, next(subscription).retry_count) == (1, 0)


class TestEvents:
    def test_links_are_resolved_if_that_is_asked_for(self, client: EventStoreDBClient) -> None:
        append(client, 2)
        links = [NewEvent("$>", b"1@s-1"), NewEvent("$>", b"9@gone"), NewEvent("Own", b"{}")]
        client.append_to_stream("l-1", current_version=ANY, events=links)
        quick = {"min_checkpoint_count": 1, "checkpoint_after": 0.0}
        client.create_subscription_to_stream("g", "l-1", resolve_links=True, **quick)
        client.create_subscription_to_stream("plain", "l-1")
        with reading(client, "l-1") as subscription:
            found = take(subscription, 2)
            assert [(e.stream_name, e.stream_position) for e in found] == [("s-1", 1), ("l-1", 2)]
            assert found[0].ack_id == links[0].id
            for event in found:
                subscription.ack(event)
            info = client.get_subscription_info
            becomes(lambda: info("g", "l-1").total_in_flight_messages, 1)
            becomes(lambda: info("g", "l-1").last_checkpointed_event_position, "0")
        plain = client.read_subscription_to_stream("plain", "l-1", timeout=SECONDS)
        assert [event.type for event in take(plain, 3)] == ["$>", "$>", "Own"]

    @pytest.mark.parametrize(
        "asked",
        [
            {"filter_include": ("Two",)},
            {"filter_exclude": ("One", r"\$.*")},
            {"filter_include": ("b-.*",), "filter_by_stream_name": True},
        ],
    )
    def test_of_the_log_are_filtered(
        self, client: EventStoreDBClient, asked: dict[str, object]
    ) -> None:
        client.create_subscription_to_all("g", **asked)
        for number in range(2):
            append(client, 2, f"a-{number}", "One")
            append(client, 1, f"b-{number}", "Two")
        with reading(client, None) as subscription:
            assert [event.stream_name for event in take(subscription, 2)] == ["b-0", "b-1"]
        client.update_subscription_to_all("g", consumer_strategy="RoundRobin")
        with reading(client, None) as subscription:
            assert [event.stream_name for event in take(subscription, 2)] == ["b-0", "b-1"]

    def test_whose_filter_is_slow_hold_up_no_other(
        self, slow_filter: Event, client: EventStoreDBClient
    ) -> None:
        """More groups wait for their filters than there are threads that wait for the store."""
        append(client, 1)
        groups = [f"g-{number}" for number in range(THREADS + 1)]
        for group in groups:
            client.create_subscription_to_all(group, filter_include=(SLOW,))
        with ExitStack() as consuming:
            for group in groups:
                consuming.enter_context(client.read_subscription_to_all(group, stopping_grace=0.05))
            consuming.callback(slow_filter.set)
            assert len(client.get_stream("s-1", timeout=SECONDS)) == 1
            append(client, 2)
            create(client)
            with reading(client) as subscription:
                assert revisions(take(subscription, 3)) == [0, 1, 2]

    def test_that_are_large_come_in_pages(self, client: EventStoreDBClient) -> None:
        events = [NewEvent("T", bytes(90_000)) for _ in range(30)]
        for event in events:
            client.append_event("s-1", current_version=ANY, event=event)
        create(client, read_batch_size=400)
        client.create_subscription_to_all("g", read_batch_size=400)
        for stream in ("s-1", None):
            with reading(client, stream) as subscription:
                assert revisions(take(subscription, 30)) == [*range(30)]

    def test_that_are_damaged_end_the_call(
        self, client: EventStoreDBClient, tmp_path: Path
    ) -> None:
        append(client, 3)
        create(client)
        with closing(sqlite3.connect(tmp_path / "served.db")) as file, file:
            file.execute("UPDATE events SET data = 5 WHERE type = 'T' AND revision = 1")
        with reading(client) as subscription, pytest.raises(GrpcError, match="cannot be read"):
            take(subscription, 3)

    def test_of_a_stream_that_is_deleted_are_gone(self, client: EventStoreDBClient) -> None:
        append(client, 2)
        create(client)
        client.delete_stream("s-1", current_version=ANY)
        append(client, 1)
        with reading(client) as subscription:
            assert revisions(take(subscription, 1)) == [2]

    def test_reach_a_consumer_whatever_another_does(
        self, client: EventStoreDBClient, channel: grpc.Channel
    ) -> None:
        """One never reads: what it was given comes back when its time is over."""
        append(client, 20)
        often = {"message_timeout": 0.1, "max_retry_count": 10_000}
        create(client, consumer_strategy="RoundRobin", **often)
        with Consumer(channel, options(size=5)), reading(client) as subscription:
            seen: set[int] = set()
            while len(seen) < 20:
                event = next(subscription)
                seen.add(event.stream_position)
                subscription.ack(event)
            becomes(lambda: checkpoint(client), "19")


def test_figures(client: EventStoreDBClient, channel: grpc.Channel) -> None:
    append(client, 6)
    create(client, extra_statistics=True, max_checkpoint_count=100)
    with Consumer(channel, options(size=4)) as consumer:
        events = consumer.take(4)
        consumer.ack(events[0])
        consumer.nack(1, events[1])
        consumer.take(2)
        becomes(lambda: len(parked_events(client)), 1)
        becomes(lambda: checkpoint(client), "1")
        told = info_of(channel, "s-1")
        assert (told.total_items, told.total_in_flight_messages) == (6, 4)
        assert (told.parked_message_count, told.status) == (1, "Live")
        assert (told.last_known_event_position, told.retry_buffer_count) == ("5", 0)
        (connection,) = told.connections
        assert (connection.total_items, connection.in_flight_messages) == (6, 4)
        assert (connection.available_slots, connection.username) == (0, "anonymous")
        assert {"Mean", "Median", "90%"} <= {each.key for each in connection.observed_measurements}
    becomes(lambda: client.get_subscription_info("g", "s-1").retry_buffer_count, 4)
