"""Groups of consumers, as KurrentDB's Python client handles them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import grpc
from esdbclient import (
    EventStoreDBClient,
    NewEvent,
    PersistentSubscription,
    RecordedEvent,
    StreamState,
)
from esdbclient.exceptions import NotFound

from runtime.store import SqliteStore
from runtime.store.protocol import persistent_pb2, persistent_pb2_grpc
from runtime.store.wire import Serving
from tests.store.wire.consumer import SECONDS, identifier
from tests.support.served import served

ANY = StreamState.ANY
CHECKPOINTS, PARKED = (
    f"$persistentsubscription-s-1::g-{what}" for what in ("checkpoint", "parked")
)


def append(client: EventStoreDBClient, count: int, stream: str = "s-1", kind: str = "T") -> None:
    events = [NewEvent(kind, b"{}") for _ in range(count)]
    client.append_to_stream(stream, current_version=ANY, events=events)


def create(client: EventStoreDBClient, **settings: object) -> None:
    """The group g on s-1, which writes a checkpoint as soon as it may."""
    quick = {"min_checkpoint_count": 1, "checkpoint_after": 0.0}
    client.create_subscription_to_stream("g", "s-1", **(quick | settings))


@contextmanager
def reading(
    client: EventStoreDBClient, stream: str | None = "s-1", size: int = 100
) -> Iterator[PersistentSubscription]:
    quick = {"event_buffer_size": size, "max_ack_delay": 0.01, "stopping_grace": 0.05}
    if stream is None:
        subscription = client.read_subscription_to_all("g", timeout=SECONDS, **quick)
    else:
        subscription = client.read_subscription_to_stream("g", stream, timeout=SECONDS, **quick)
    try:
        yield subscription
    finally:
        subscription.stop()


@contextmanager
def connected(store: SqliteStore) -> Iterator[EventStoreDBClient]:
    """A client of a server of its own."""
    with (
        served(store, Serving(port=0)) as port,
        EventStoreDBClient(f"esdb://localhost:{port}?Tls=false") as client,
    ):
        yield client


def take(subscription: PersistentSubscription, count: int) -> list[RecordedEvent]:
    return [next(subscription) for _ in range(count)]


def revisions(events: Sequence[RecordedEvent]) -> list[int]:
    return [event.stream_position for event in events]


def parked_events(client: EventStoreDBClient, stream: str = PARKED) -> Sequence[RecordedEvent]:
    try:
        return client.get_stream(stream)
    except NotFound:
        return []


def checkpoint(client: EventStoreDBClient) -> str:
    return client.get_subscription_info("g", "s-1").last_checkpointed_event_position


def info_of(channel: grpc.Channel, stream: str) -> persistent_pb2.SubscriptionInfo:
    of = persistent_pb2.GetInfoReq.Options(stream_identifier=identifier(stream), group_name="g")
    stub = persistent_pb2_grpc.PersistentSubscriptionsStub(channel)
    return stub.GetInfo(persistent_pb2.GetInfoReq(options=of)).subscription_info


def totals(channel: grpc.Channel, stream: str) -> list[int]:
    """How many events each consumer was given."""
    return [each.total_items for each in info_of(channel, stream).connections]
