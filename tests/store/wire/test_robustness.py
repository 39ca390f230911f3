"""What clients do that they should not, while a well-behaved one goes on undisturbed."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from threading import Event

import grpc
import pytest
from esdbclient import EventStoreDBClient, NewEvent, StreamState
from esdbclient.exceptions import NotFound
from grpc import StatusCode

from runtime.store.protocol import shared_pb2, streams_pb2, streams_pb2_grpc
from tests.store.wire.attacked import (
    ANY_LENGTH,
    MIB,
    OWN_CONNECTION,
    SECONDS,
    attacked,
    connected,
    new,
)
from tests.store.wire.messages import append_options, batch, identifier, proposed, reading
from tests.store.wire.neighbour import undisturbed
from tests.support.cable import breaking
from tests.support.seeds import seeded
from tests.support.server import Server
from tests.support.waiting import until

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with attacked(tmp_path_factory.mktemp("served")) as process:
        yield process


@pytest.fixture
def streams(server: Server) -> Iterator[streams_pb2_grpc.StreamsStub]:
    with grpc.insecure_channel(f"localhost:{server.port}", ANY_LENGTH) as channel:
        yield streams_pb2_grpc.StreamsStub(channel)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


class TestBytes:
    """What is no HTTP/2, or not the HTTP/2 of a client."""

    def test_garbage_on_the_socket(self, server: Server) -> None:
        random = seeded()
        openings = [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", PREFACE]
        with undisturbed(server):
            for opening in openings * 5:
                with connected(server) as one, suppress(OSError):
                    one.sendall(opening + random.randbytes(random.randrange(5_000)))

    def test_frames_of_garbage(self, server: Server) -> None:
        random = seeded()
        settings = frame(4, 0, 0, b"")
        with undisturbed(server):
            for kind in [*range(11), 255] * 3:
                payload = random.randbytes(random.randrange(200))
                bad = frame(kind, random.randrange(256), random.randrange(5), payload)
                with connected(server) as one, suppress(OSError):
                    one.sendall(PREFACE + settings + bad * 3)
                    one.recv(100)

    def test_a_frame_that_promises_more_than_comes(self, server: Server) -> None:
        with undisturbed(server), ExitStack() as held:
            for _ in range(20):
                one = held.enter_context(connected(server))
                one.sendall(PREFACE + frame(4, 0, 0, b"") + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01")

    def test_floods_of_pings_and_settings(self, server: Server) -> None:
        flood = frame(6, 0, 0, bytes(8)) * 2_000 + frame(4, 0, 0, b"") * 2_000
        with undisturbed(server):
            for _ in range(5):
                with connected(server) as one, suppress(OSError):
                    one.sendall(PREFACE + frame(4, 0, 0, b"") + flood)

    def test_connections_that_break_off(self, server: Server) -> None:
        whole = PREFACE + frame(4, 0, 0, b"")
        with undisturbed(server):
            for end in range(0, len(whole), 3):
                with connected(server) as one:
                    one.sendall(whole[:end])


class TestCalls:
    """What a gRPC library sends, but no client of KurrentDB would."""

    def test_a_message_beyond_what_is_taken(
        self, server: Server, streams: streams_pb2_grpc.StreamsStub
    ) -> None:
        huge = proposed(data=bytes(18 * MIB))
        with undisturbed(server):
            with pytest.raises(grpc.RpcError) as refused:
                streams.Append(iter([append_options(b"huge-1"), huge]))
            assert refused.value.code() == StatusCode.RESOURCE_EXHAUSTED
            with pytest.raises(grpc.RpcError) as refused:
                list(streams.BatchAppend(iter([batch(b"huge-1", [bytes(18 * MIB)])])))
            assert refused.value.code() == StatusCode.RESOURCE_EXHAUSTED

    def test_appends_that_never_end(
        self, server: Server, streams: streams_pb2_grpc.StreamsStub
    ) -> None:
        def endless() -> Iterator[streams_pb2.AppendReq]:
            yield append_options(b"endless-1")
            while True:
                yield proposed(data=bytes(10_000))

        with undisturbed(server):
            with pytest.raises(grpc.RpcError) as refused:
                streams.Append(endless())
            assert refused.value.code() == StatusCode.INVALID_ARGUMENT
            assert "Exceeded" in refused.value.details()
        (answer,) = streams.Read(reading(b"endless-1"))
        assert answer.HasField("stream_not_found")

    def test_a_batch_that_never_ends_is_answered_once(
        self, server: Server, streams: streams_pb2_grpc.StreamsStub
    ) -> None:
        before = server.memory

        def endless() -> Iterator[streams_pb2.BatchAppendReq]:
            yield batch(b"endless-2", [b""], final=False)
            for _ in range(100):
                yield batch(None, [bytes(MIB // 2)], final=False)
            yield batch(None, [b""])
            yield batch(b"endless-3", [b""], correlation="2")

        with undisturbed(server):
            answers = list(streams.BatchAppend(endless(), timeout=SECONDS))
        assert [one.correlation_id.string for one in answers] == ["1", "2"]
        assert answers[0].error.details.Is(shared_pb2.MaximumAppendSizeExceeded.DESCRIPTOR)
        assert answers[1].HasField("success")
        assert server.memory - before < 64 * MIB

    def test_batches_that_are_begun_and_left(
        self, server: Server, streams: streams_pb2_grpc.StreamsStub
    ) -> None:
        before = server.memory
        begun = [
            batch(b"begun-%d" % number, [bytes(MIB // 2)], correlation=str(number), final=False)
            for number in range(200)
        ]
        with undisturbed(server):
            answers = list(streams.BatchAppend(iter(begun), timeout=SECONDS))
        assert 100 < len(answers) < 200
        assert all("begun and not ended" in one.error.message for one in answers)
        assert server.memory - before < 96 * MIB

    def test_batches_whose_answers_nobody_reads(
        self, server: Server, streams: streams_pb2_grpc.StreamsStub
    ) -> None:
        before = server.memory
        sent = (
            batch(b"unread-1", [bytes(50_000)], correlation=str(number)) for number in range(2_000)
        )
        with undisturbed(server) as neighbour:
            call = streams.BatchAppend(sent, timeout=4 * SECONDS)
            neighbour.wait(10)
            assert server.memory - before < 96 * MIB
            call.cancel()

    def test_an_append_that_is_broken_off(
        self, server: Server, streams: streams_pb2_grpc.StreamsStub
    ) -> None:
        def broken() -> Iterator[streams_pb2.AppendReq]:
            yield append_options(b"broken-1")
            yield proposed()
            Event().wait(SECONDS)

        with undisturbed(server) as neighbour:
            calls = [streams.Append.future(broken()) for _ in range(10)]
            neighbour.wait(1)
            for call in calls:
                call.cancel()
        with EventStoreDBClient(server.uri) as client, pytest.raises(NotFound):
            client.get_stream("broken-1")

    def test_a_connection_that_breaks_off(self, server: Server) -> None:
        def begun() -> Iterator[streams_pb2.AppendReq]:
            yield append_options(b"cut-1")
            yield proposed()
            yield proposed()
            Event().wait(SECONDS)

        with undisturbed(server) as neighbour:
            before = server.connections
            with breaking(server.port) as cable, ExitStack() as held:
                for _ in range(20):
                    channel = grpc.insecure_channel(f"127.0.0.1:{cable.port}", (OWN_CONNECTION,))
                    streams = streams_pb2_grpc.StreamsStub(held.enter_context(channel))
                    streams.Append.future(begun())
                    assert next(streams.Read(reading(None, follow=True)))
                neighbour.wait(1)
                assert server.connections >= before + 20
            until(lambda: server.connections <= before, "connections are left")
        with EventStoreDBClient(server.uri) as client, pytest.raises(NotFound):
            client.get_stream("cut-1")

    def test_methods_and_services_that_are_not_there(self, server: Server) -> None:
        names = [
            "/event_store.client.streams.Streams/Nothing",
            "/event_store.client.nothing.Nothing/Read",
            "/event_store.client.streams.Streams/" + "x" * 1_000,
            "/nonsense",
        ]
        with undisturbed(server), grpc.insecure_channel(f"localhost:{server.port}") as channel:
            for name in names:
                calls = (
                    partial(channel.unary_unary(name), b""),
                    partial(channel.stream_unary(name), iter([b"", b""])),
                )
                for call in calls:
                    with pytest.raises(grpc.RpcError) as refused:
                        call(timeout=SECONDS)
                    assert refused.value.code() == StatusCode.UNIMPLEMENTED
                    assert "is not offered by this server" in refused.value.details()

    @pytest.mark.parametrize("number", [0, 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1])
    def test_absurd_numbers(
        self, server: Server, streams: streams_pb2_grpc.StreamsStub, number: int
    ) -> None:
        with EventStoreDBClient(server.uri) as client:
            client.append_to_stream("n-1", current_version=StreamState.ANY, events=[new()])
        backwards = streams_pb2.ReadReq.Options.ReadDirection.Backwards
        with undisturbed(server):
            for direction in (0, backwards):
                asked = reading(b"n-1", count=number, read_direction=direction)
                assert len(list(streams.Read(asked, timeout=SECONDS))) <= max(number, 1)
                asked = reading(b"n-1", read_direction=direction)
                asked.options.stream.revision = number
                assert all(e.event for e in streams.Read(asked, timeout=SECONDS))
                asked = reading(None, read_direction=direction, count=1)
                asked.options.all.position.commit_position = number
                asked.options.all.position.prepare_position = number
                assert len(list(streams.Read(asked, timeout=SECONDS))) <= 1
            asked = reading(None, follow=True)
            asked.options.filter.event_type.regex = "x"
            asked.options.filter.max = min(number, 2**32 - 1)
            asked.options.filter.checkpointIntervalMultiplier = 0
            with pytest.raises(grpc.RpcError) as refused:
                list(streams.Read(asked, timeout=SECONDS))
            assert refused.value.code() == StatusCode.INVALID_ARGUMENT
            wrong = append_options(b"n-2", revision=number)
            answer = streams.Append(iter([wrong, proposed()]))
            assert answer.HasField("wrong_expected_version") == (number < 2**64 - 1)

    @pytest.mark.parametrize(
        ("name", "told"),
        [(b"", "empty"), (b"a\0", "NUL"), (b"\xff\xfe", "UTF-8"), (b"x" * MIB, "1024 bytes")],
    )
    def test_names_that_are_none(
        self, server: Server, streams: streams_pb2_grpc.StreamsStub, name: bytes, told: str
    ) -> None:
        def calls() -> Iterator[Callable[[], object]]:
            yield lambda: list(streams.Read(reading(name)))
            yield lambda: list(streams.Read(reading(name, follow=True)))
            yield lambda: streams.Append(iter([append_options(name), proposed()]))
            of = streams_pb2.DeleteReq.Options(stream_identifier=identifier(name))
            of.any.SetInParent()
            yield lambda: streams.Delete(streams_pb2.DeleteReq(options=of))

        with undisturbed(server):
            for call in calls():
                with pytest.raises(grpc.RpcError) as refused:
                    call()
                assert refused.value.code() == StatusCode.INVALID_ARGUMENT
                assert told in refused.value.details()
            (answer,) = streams.BatchAppend(iter([batch(name, [b""])]))
            assert told in answer.error.message

    def test_the_longest_names_come_back_in_errors(
        self, server: Server, streams: streams_pb2_grpc.StreamsStub
    ) -> None:
        name = ("ü" * 512).encode()
        of = streams_pb2.DeleteReq.Options(stream_identifier=identifier(name), revision=7)
        with undisturbed(server), pytest.raises(grpc.RpcError) as refused:
            streams.Delete(streams_pb2.DeleteReq(options=of))
        assert refused.value.code() == StatusCode.FAILED_PRECONDITION
        assert ("actual-version", "-1") in refused.value.trailing_metadata()

    @pytest.mark.parametrize("seconds", [-(10**9), -1, 0])
    def test_a_deadline_that_has_passed(
        self, server: Server, streams: streams_pb2_grpc.StreamsStub, seconds: int
    ) -> None:
        late = [batch(b"late-1", [b""], correlation=str(number)) for number in range(3)]
        late[0].options.deadline.seconds = seconds
        late[1].options.deadline_21_10_0.seconds = max(0, seconds)
        late[2].options.deadline.seconds = SECONDS
        with undisturbed(server):
            answers = list(streams.BatchAppend(iter(late), timeout=SECONDS))
        timeout = shared_pb2.Timeout.DESCRIPTOR
        assert [one.error.details.Is(timeout) for one in answers] == [True, True, False]
        assert answers[2].HasField("success")

    @pytest.mark.parametrize("pattern", ["(", "*", "[a", "(?P<", "((a{1000}){1000}){1000}", "\\"])
    def test_patterns_that_are_none(
        self, server: Server, streams: streams_pb2_grpc.StreamsStub, pattern: str
    ) -> None:
        with undisturbed(server):
            for follow in (False, True):
                asked = reading(None, follow=follow)
                asked.options.filter.event_type.regex = pattern
                asked.options.filter.max = 1
                asked.options.filter.checkpointIntervalMultiplier = 1
                with pytest.raises(grpc.RpcError) as refused:
                    list(streams.Read(asked, timeout=SECONDS))
                assert refused.value.code() == StatusCode.INVALID_ARGUMENT
                assert "regular expression" in refused.value.details()

    @pytest.mark.parametrize("follow", [False, True])
    def test_more_prefixes_than_can_be_looked_for(
        self, server: Server, streams: streams_pb2_grpc.StreamsStub, follow: bool
    ) -> None:
        asked = reading(None, follow=follow)
        asked.options.all.end.SetInParent()
        asked.options.filter.stream_identifier.prefix.extend(f"s-{n}" for n in range(20_000))
        asked.options.filter.max = 1
        asked.options.filter.checkpointIntervalMultiplier = 1
        asked.options.read_direction = 0 if follow else 1
        with undisturbed(server), pytest.raises(grpc.RpcError) as refused:
            list(streams.Read(asked, timeout=SECONDS))
        assert refused.value.code() == StatusCode.INVALID_ARGUMENT
        assert "may list 500" in refused.value.details()

    def test_patterns_that_take_for_ever(
        self, server: Server, streams: streams_pb2_grpc.StreamsStub
    ) -> None:
        kinds = [NewEvent("a" * 30 + str(number) + "!", b"") for number in range(50)]
        with EventStoreDBClient(server.uri) as client:
            client.append_to_stream("slow-1", current_version=StreamState.ANY, events=kinds)
        with undisturbed(server):
            asked = []
            for number in range(20):
                one = reading(None)
                one.options.filter.event_type.regex = f"(a|a)*{number}?$"
                one.options.filter.max = 1_000
                asked.append(streams.Read(one, timeout=SECONDS))
            for call in asked:
                with pytest.raises(grpc.RpcError) as refused:
                    list(call)
                assert refused.value.code() == StatusCode.INVALID_ARGUMENT
                assert "took too long" in refused.value.details()
