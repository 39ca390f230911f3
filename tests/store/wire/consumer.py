"""A consumer of a persistent subscription over a plain channel, for what no client sends."""

from __future__ import annotations

from collections.abc import Iterator
from queue import SimpleQueue

import grpc

from runtime.store.protocol import persistent_pb2, persistent_pb2_grpc, shared_pb2

SECONDS = 20
Request = persistent_pb2.ReadReq
Event = persistent_pb2.ReadResp.ReadEvent


def identifier(stream: str) -> shared_pb2.StreamIdentifier:
    return shared_pb2.StreamIdentifier(stream_name=stream.encode())


def options(
    stream: str = "s-1", group: str = "g", size: int = 10, *, text: bool = True
) -> persistent_pb2.ReadReq:
    of = Request.Options(group_name=group, buffer_size=size, stream_identifier=identifier(stream))
    (of.uuid_option.string if text else of.uuid_option.structured).SetInParent()
    return Request(options=of)


class Consumer:
    """Reads events and answers for them; leaves at the end of the block."""

    def __init__(self, channel: grpc.Channel, *first: persistent_pb2.ReadReq) -> None:
        self._requests: SimpleQueue[persistent_pb2.ReadReq | None] = SimpleQueue()
        for request in first or (options(),):
            self._requests.put(request)
        stub = persistent_pb2_grpc.PersistentSubscriptionsStub(channel)
        self.call = stub.Read(iter(self._requests.get, None), timeout=SECONDS)

    def __enter__(self) -> Consumer:
        self.id = next(self.call).subscription_confirmation.subscription_id
        return self

    def __exit__(self, *_: object) -> None:
        self.call.cancel()
        self._requests.put(None)

    def take(self, count: int = 1) -> list[Event]:
        """The next events."""
        return [next(self.call).event for _ in range(count)]

    def positions(self, count: int = 1) -> list[tuple[int, int]]:
        """Revision and number of retries of the next events."""
        return [(each.event.stream_revision, each.retry_count) for each in self.take(count)]

    def ack(self, *events: Event) -> None:
        self._requests.put(Request(ack=Request.Ack(ids=list(_ids(events)))))

    def nack(self, action: int, *events: Event, reason: str = "") -> None:
        nack = Request.Nack(ids=list(_ids(events)), action=action, reason=reason)
        self._requests.put(Request(nack=nack))

    def send(self, request: persistent_pb2.ReadReq) -> None:
        self._requests.put(request)

    def close_requests(self) -> None:
        """Say that nothing more is to come."""
        self._requests.put(None)


def _ids(events: tuple[Event, ...]) -> Iterator[shared_pb2.UUID]:
    for each in events:
        yield each.link.id if each.HasField("link") else each.event.id
