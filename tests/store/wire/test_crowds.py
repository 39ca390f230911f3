"""Many clients at once, and slow ones, while a well-behaved one goes on undisturbed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import grpc
import pytest
from esdbclient import EventStoreDBClient, NewEvent, StreamState

from runtime.store.protocol import gossip_pb2_grpc, shared_pb2, streams_pb2, streams_pb2_grpc
from tests.store.wire.attacked import (
    ANY_LENGTH,
    CONNECTIONS,
    MIB,
    OWN_CONNECTION,
    SECONDS,
    attacked,
    connected,
    new,
    room_for,
)
from tests.store.wire.messages import reading
from tests.store.wire.neighbour import undisturbed
from tests.support.server import Server

SUBSCRIPTIONS = 100


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with attacked(tmp_path_factory.mktemp("served")) as process:
        yield process


@pytest.fixture
def streams(server: Server) -> Iterator[streams_pb2_grpc.StreamsStub]:
    with grpc.insecure_channel(f"localhost:{server.port}", ANY_LENGTH) as channel:
        yield streams_pb2_grpc.StreamsStub(channel)


class TestManyAtOnce:
    def test_connections(self, server: Server) -> None:
        count = room_for(CONNECTIONS)
        with undisturbed(server), ExitStack() as held:
            channels = [
                held.enter_context(
                    grpc.insecure_channel(f"127.0.0.1:{server.port}", (OWN_CONNECTION,))
                )
                for _ in range(count)
            ]
            asked = [
                gossip_pb2_grpc.GossipStub(channel).Read.future(shared_pb2.Empty())
                for channel in channels
            ]
            assert all(len(one.result(SECONDS).members) == 1 for one in asked)
            again = [
                gossip_pb2_grpc.GossipStub(channel).Read.future(shared_pb2.Empty())
                for channel in channels
            ]
            assert all(len(one.result(SECONDS).members) == 1 for one in again)

    def test_connections_that_say_nothing(self, server: Server) -> None:
        with undisturbed(server), ExitStack() as held:
            for _ in range(room_for(CONNECTIONS)):
                held.enter_context(connected(server))

    def test_subscriptions(self, server: Server, streams: streams_pb2_grpc.StreamsStub) -> None:
        with EventStoreDBClient(server.uri) as client, undisturbed(server):

            def append(count: int) -> None:
                events = [new() for _ in range(count)]
                client.append_to_stream("many-1", current_version=StreamState.ANY, events=events)

            append(100)
            kinds = [reading(b"many-1", follow=True), reading(None, follow=True)]
            calls = [
                streams.Read(kinds[number % 2], timeout=4 * SECONDS)
                for number in range(SUBSCRIPTIONS)
            ]
            append(20)
            for _ in range(5):
                append(1)
            for call in calls:
                found: list[int] = []
                while len(found) < 125:
                    event = next(call).event.event
                    if event.stream_identifier.stream_name == b"many-1":
                        found.append(event.stream_revision)
                assert found == list(range(125))
                call.cancel()


class TestSlowReaders:
    """Of 40 MiB each, of which they take next to nothing."""

    READERS = 30

    @pytest.fixture(scope="class")
    @staticmethod
    def large(server: Server) -> None:
        with EventStoreDBClient(server.uri) as client:
            for _ in range(80):
                event = NewEvent("Large", bytes(MIB // 2))
                client.append_to_stream("large-1", current_version=StreamState.ANY, events=[event])

    @pytest.mark.parametrize("name", [b"large-1", None])
    @pytest.mark.parametrize("follow", [False, True])
    def test_have_the_server_hold_little(
        self, server: Server, large: None, follow: bool, name: bytes | None
    ) -> None:
        before = server.memory
        with undisturbed(server) as neighbour, ExitStack() as held:
            calls = [_slow(held, server, reading(name, follow=follow)) for _ in range(self.READERS)]
            for call in calls:
                assert next(call)
            neighbour.wait(5)
            assert server.memory - before < self.READERS * 8 * MIB
            for call in calls:
                call.cancel()

    def test_that_are_cancelled_leave_nothing_behind(self, server: Server, large: None) -> None:
        before = server.memory
        with undisturbed(server):
            for _ in range(200):
                with grpc.insecure_channel(f"localhost:{server.port}") as channel:
                    call = streams_pb2_grpc.StreamsStub(channel).Read(reading(b"large-1"))
                    assert next(call)
                    call.cancel()
        assert server.memory - before < 100 * MIB


def _slow(held: ExitStack, server: Server, asked: streams_pb2.ReadReq) -> grpc.Future:
    channel = grpc.insecure_channel(f"localhost:{server.port}", (OWN_CONNECTION,))
    return streams_pb2_grpc.StreamsStub(held.enter_context(channel)).Read(asked)
