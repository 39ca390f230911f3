"""What outlives a consumer: parked events that are replayed, and checkpoints."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from esdbclient import EventStoreDBClient
from esdbclient.exceptions import FailedPrecondition, GrpcError

from runtime.store import SqliteStore
from runtime.store.persistent import place_of
from runtime.store.protocol import persistent_pb2, persistent_pb2_grpc
from tests.store.wire.consumer import Consumer, identifier
from tests.store.wire.groups import (
    ANY,
    CHECKPOINTS,
    PARKED,
    append,
    checkpoint,
    connected,
    create,
    parked_events,
    reading,
    revisions,
    take,
)
from tests.support.waiting import becomes, until

pytestmark = pytest.mark.usefixtures("quick_ticks")


class TestDeletion:
    def test_takes_all_of_a_group_or_nothing(
        self, client: EventStoreDBClient, store: SqliteStore
    ) -> None:
        """A process that ends at any moment leaves no old checkpoint to a group made anew."""
        append(client, 2)
        create(client)
        with reading(client) as subscription:
            first, second = take(subscription, 2)
            subscription.ack(first)
            subscription.nack(second, "park")
            becomes(lambda: checkpoint(client), "1")
        stood: list[list[int]] = []
        deaf = store.listen(lambda: stood.append([*map(store.revision, (CHECKPOINTS, PARKED))]))
        client.delete_subscription("g", "s-1")
        deaf()
        assert [*map(store.revision, (CHECKPOINTS, PARKED))] == [-1, -1]
        kept = [event.data for event in store.read_stream("$persistentSubscriptionConfig")]
        assert [b'"g"' in data for data in kept] == [True, False]
        assert stood == [[-1, -1]]
        create(client)
        with reading(client) as subscription:
            assert revisions(take(subscription, 2)) == [0, 1]

    def test_that_cannot_be_kept_leaves_the_group_as_it_was(
        self, client: EventStoreDBClient, store: SqliteStore
    ) -> None:
        append(client, 1)
        create(client)
        store.delete("$persistentSubscriptionConfig", hard=True)
        with pytest.raises(FailedPrecondition):
            client.delete_subscription("g", "s-1")
        with reading(client) as subscription:
            assert revisions(take(subscription, 1)) == [0]


class TestReplay:
    def parked(self, client: EventStoreDBClient, count: int) -> None:
        append(client, count)
        create(client)
        with reading(client) as subscription:
            for event in take(subscription, count):
                subscription.nack(event, "park")
            becomes(lambda: len(parked_events(client)), count)

    def test_brings_parked_events_back(self, client: EventStoreDBClient) -> None:
        self.parked(client, 3)
        client.replay_parked_events("g", "s-1")
        with reading(client) as subscription:
            found = take(subscription, 3)
            assert revisions(found) == [0, 1, 2]
            assert {event.retry_count for event in found} == {0}
            assert {event.link.stream_name for event in found if event.link} == {PARKED}
            for event in found:
                subscription.ack(event)
            becomes(lambda: len(parked_events(client)), 0)
        assert client.get_subscription_info("g", "s-1").parked_message_count == 0
        metadata, _ = client.get_stream_metadata(PARKED)
        assert metadata["$tb"] == 3

    def test_what_is_not_acknowledged_stays_parked(
        self, client: EventStoreDBClient, store: SqliteStore
    ) -> None:
        self.parked(client, 2)
        with reading(client) as subscription:
            client.replay_parked_events("g", "s-1")
            first, second = take(subscription, 2)
            subscription.ack(first)
            subscription.nack(second, "park")
            becomes(lambda: revisions(parked_events(client)), [2])
        assert client.get_stream(PARKED)[0].data == b"1@s-1"
        with connected(store) as other:
            assert other.get_subscription_info("g", "s-1").parked_message_count == 1

    def test_of_a_group_made_anew(self, client: EventStoreDBClient) -> None:
        self.parked(client, 3)
        client.delete_subscription("g", "s-1")
        client.delete_stream("s-1", current_version=ANY)
        self.parked_anew(client)
        client.replay_parked_events("g", "s-1")
        with reading(client) as subscription:
            (event,) = take(subscription, 1)
            assert event.stream_position == 3
            subscription.ack(event)
            becomes(lambda: len(parked_events(client)), 0)

    def parked_anew(self, client: EventStoreDBClient) -> None:
        append(client, 1)
        create(client)
        with reading(client) as subscription:
            subscription.nack(next(subscription), "park")
            becomes(lambda: client.get_subscription_info("g", "s-1").parked_message_count, 1)

    def test_stops_where_it_is_told_to(
        self, client: EventStoreDBClient, channel: grpc.Channel
    ) -> None:
        self.parked(client, 3)
        with Consumer(channel) as consumer:
            of = persistent_pb2.ReplayParkedReq.Options(
                stream_identifier=identifier("s-1"), group_name="g", stop_at=2
            )
            stub = persistent_pb2_grpc.PersistentSubscriptionsStub(channel)
            stub.ReplayParked(persistent_pb2.ReplayParkedReq(options=of))
            found = consumer.take(2)
            assert [each.event.stream_revision for each in found] == [0, 1]
            consumer.ack(*found)
            becomes(lambda: revisions(parked_events(client)), [2])
        assert client.get_subscription_info("g", "s-1").parked_message_count == 1


class TestCheckpoint:
    def test_a_restart_goes_on_behind_it(self, tmp_path: Path) -> None:
        with SqliteStore.open(tmp_path / "again.db") as store, connected(store) as client:
            append(client, 4)
            create(client)
            with reading(client) as subscription:
                first, second, third, _ = take(subscription, 4)
                for event in (first, second):
                    subscription.ack(event)
                becomes(lambda: checkpoint(client), "1")
                subscription.nack(third, "park")
                becomes(lambda: len(parked_events(client)), 1)
        with SqliteStore.open(tmp_path / "again.db") as store, connected(store) as client:
            info = client.get_subscription_info("g", "s-1")
            assert info.parked_message_count == 1
            assert int(info.last_checkpointed_event_position) >= 1
            with reading(client) as subscription:
                assert 3 in revisions(take(subscription, 1 if checkpoint(client) == "2" else 2))
            (last, *_) = client.get_stream(CHECKPOINTS, backwards=True)
            assert last.type == "$SubscriptionCheckpoint"
            assert client.get_stream_metadata(CHECKPOINTS)[0] == {"$maxCount": 2}

    def test_what_came_behind_the_end_is_not_lost_by_a_restart(self, tmp_path: Path) -> None:
        with SqliteStore.open(tmp_path / "again.db") as store:
            with connected(store) as client:
                append(client, 2)
                create(client, from_end=True)
                append(client, 2)
            with connected(store) as client, reading(client) as subscription:
                assert revisions(take(subscription, 2)) == [2, 3]

    def test_nor_by_an_update(self, client: EventStoreDBClient) -> None:
        append(client, 2)
        create(client, from_end=True)
        append(client, 2)
        client.update_subscription_to_stream("g", "s-1", consumer_strategy="RoundRobin")
        with reading(client) as subscription:
            assert revisions(take(subscription, 2)) == [2, 3]

    def test_an_update_keeps_it_and_drops_the_consumers(self, client: EventStoreDBClient) -> None:
        append(client, 3)
        create(client)
        with reading(client) as subscription:
            subscription.ack(take(subscription, 3)[0])
            becomes(lambda: checkpoint(client), "0")
            client.update_subscription_to_stream("g", "s-1", consumer_strategy="RoundRobin")
            with pytest.raises(GrpcError, match="was dropped"):
                next(subscription)
        assert client.get_subscription_info("g", "s-1").consumer_strategy == "RoundRobin"
        with reading(client) as subscription:
            assert revisions(take(subscription, 2)) == [1, 2]

    def test_of_the_log_it_is_hidden_in_it(self, client: EventStoreDBClient) -> None:
        """So are the events that were parked: the group would meet its own doings for ever."""
        append(client, 2)
        quick = {"min_checkpoint_count": 1, "checkpoint_after": 0.0}
        client.create_subscription_to_all("g", filter_exclude=(), **quick)
        with reading(client, None) as subscription:
            events = take(subscription, 4)
            subscription.nack(events[0], "park")
            for event in events[1:]:
                subscription.ack(event)
            at = events[-1].commit_position

            def written() -> bool:
                told = client.get_subscription_info("g").last_checkpointed_event_position
                return place_of("$all", told or "C:0/P:0") >= at

            until(written, "the checkpoint is not written")
            append(client, 1)
            met = set()
            while "s-1" not in met:
                met.add(next(subscription).stream_name)
        streams = [f"$persistentsubscription-$all::g-{what}" for what in ("checkpoint", "parked")]
        assert not met & set(streams)
        kept, parked = (client.get_stream(stream)[-1] for stream in streams)
        assert kept.data.startswith(b'"C:')
        assert parked.data == b"0@s-1"
        log = {event.stream_name for event in client.read_all(filter_exclude=())}
        assert "$persistentSubscriptionConfig" in log
        assert not log & set(streams)
