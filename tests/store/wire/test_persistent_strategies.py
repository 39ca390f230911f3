"""Which consumer is given an event, by each of the strategies."""

from __future__ import annotations

from contextlib import ExitStack

import grpc
import pytest
from esdbclient import EventStoreDBClient, NewEvent

from tests.store.wire.consumer import Consumer, Event, options
from tests.store.wire.groups import ANY, totals
from tests.support.waiting import becomes

pytestmark = pytest.mark.usefixtures("quick_ticks")


class TestStrategies:
    """Each with consumers that are there before the events."""

    def given(
        self, client: EventStoreDBClient, channel: grpc.Channel, strategy: str, sizes: list[int]
    ) -> list[list[Event]]:
        """What consumers of these sizes are given of twelve events, in links to five streams."""
        client.create_subscription_to_stream("g", "$ce-t", consumer_strategy=strategy)
        with ExitStack() as stack:
            consumers = [
                stack.enter_context(Consumer(channel, options("$ce-t", size=size)))
                for size in sizes
            ]
            links = [
                NewEvent("$>", b"%d@t-%d" % divmod(n, 5), b'{"$correlationId":"c-%d"}' % (n % 7))
                for n in range(12)
            ]
            client.append_to_stream("$ce-t", current_version=ANY, events=links)
            most = min(12, sum(sizes))
            becomes(lambda: sum(totals(channel, "$ce-t")), most)
            return [
                consumer.take(total)
                for consumer, total in zip(consumers, totals(channel, "$ce-t"), strict=True)
            ]

    def test_round_robin(self, client: EventStoreDBClient, channel: grpc.Channel) -> None:
        given = self.given(client, channel, "RoundRobin", [9, 9, 9])
        found = [[each.event.stream_revision for each in events] for events in given]
        assert found == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]

    def test_dispatch_to_single(self, client: EventStoreDBClient, channel: grpc.Channel) -> None:
        given = self.given(client, channel, "DispatchToSingle", [5, 5, 5])
        found = [[each.event.stream_revision for each in events] for events in given]
        assert found == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11]]

    def test_pinned(self, client: EventStoreDBClient, channel: grpc.Channel) -> None:
        given = self.given(client, channel, "Pinned", [12, 12])
        first, second = ({each.event.data.partition(b"@")[2] for each in e} for e in given)
        assert first
        assert second
        assert not first & second
        assert len(first | second) == 5

    def test_pinned_by_correlation(self, client: EventStoreDBClient, channel: grpc.Channel) -> None:
        given = self.given(client, channel, "PinnedByCorrelation", [12, 12])
        first, second = ({each.event.custom_metadata for each in e} for e in given)
        assert first
        assert second
        assert not first & second
        assert len(first | second) == 7
