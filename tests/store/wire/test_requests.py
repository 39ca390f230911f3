"""Requests that KurrentDB's Python client would never send, over a plain channel."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from grpc import StatusCode

from runtime.events import NewEvent, named_id
from runtime.store import Expected, SqliteStore
from runtime.store.protocol import shared_pb2, streams_pb2, streams_pb2_grpc

Options = streams_pb2.ReadReq.Options
READ_SECONDS = 10


@pytest.fixture
def streams(port: int) -> Iterator[streams_pb2_grpc.StreamsStub]:
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        yield streams_pb2_grpc.StreamsStub(channel)


def identifier(name: bytes = b"s-1") -> shared_pb2.StreamIdentifier:
    return shared_pb2.StreamIdentifier(stream_name=name)


def proposed(**changes: object) -> streams_pb2.AppendReq:
    fields = {
        "id": shared_pb2.UUID(string="00000000-0000-0000-0000-000000000001"),
        "metadata": {"type": "A", "content-type": "application/json"},
        "data": b"{}",
    }
    message = streams_pb2.AppendReq.ProposedMessage(**(fields | changes))
    return streams_pb2.AppendReq(proposed_message=message)


def options(name: bytes = b"s-1") -> streams_pb2.AppendReq:
    of = streams_pb2.AppendReq.Options(stream_identifier=identifier(name))
    of.any.SetInParent()
    return streams_pb2.AppendReq(options=of)


def read_options(**changes: object) -> Options:
    of = Options(read_direction=Options.ReadDirection.Forwards, count=10)
    of.all.start.SetInParent()
    of.no_filter.SetInParent()
    of.uuid_option.structured.SetInParent()
    of.MergeFrom(Options(**changes))
    return of


class TestAppend:
    @pytest.mark.parametrize(
        ("sent", "told"),
        [
            ([], "names no stream"),
            ([proposed()], "names no stream"),
            ([options(b"")], "empty"),
            ([options(b"\xff")], "not UTF-8"),
            ([options(b"a\0b")], "NUL"),
            ([options(), proposed(metadata={"type": "A"})], "content-type"),
            ([options(), proposed(metadata={"content-type": "application/json"})], "type"),
            (
                [
                    options(),
                    proposed(metadata={"type": "x" * 1025, "content-type": "application/json"}),
                ],
                "longer than 1024",
            ),
            ([options(), proposed(id=shared_pb2.UUID(string="no"))], "'no' is not a UUID"),
            ([options(), proposed(id=shared_pb2.UUID())], "not a UUID"),
            ([options(), proposed(), proposed(data=b"x" * 100_001)], "Exceeded"),
        ],
    )
    def test_what_cannot_be_understood(
        self,
        streams: streams_pb2_grpc.StreamsStub,
        store: SqliteStore,
        sent: list[streams_pb2.AppendReq],
        told: str,
    ) -> None:
        with pytest.raises(grpc.RpcError) as refused:
            streams.Append(iter(sent))
        assert refused.value.code() == StatusCode.INVALID_ARGUMENT
        assert told in refused.value.details()
        assert store.end() == -1

    def test_structured_ids_are_the_same_ids(
        self, streams: streams_pb2_grpc.StreamsStub, store: SqliteStore
    ) -> None:
        halves = shared_pb2.UUID.Structured(most_significant_bits=-2, least_significant_bits=-3)
        given = shared_pb2.UUID(structured=halves)
        streams.Append(iter([options(), proposed(id=given)]))
        assert next(store.read_all()).event_id.hex() == "fffffffffffffffefffffffffffffffd"
        (found,) = streams.Read(streams_pb2.ReadReq(options=read_options()))
        assert found.event.event.id == given

    def test_a_call_that_breaks_off_appends_nothing(
        self, streams: streams_pb2_grpc.StreamsStub, store: SqliteStore
    ) -> None:
        def broken() -> Iterator[streams_pb2.AppendReq]:
            yield options()
            yield proposed()
            raise RuntimeError

        with pytest.raises(grpc.RpcError):
            streams.Append(broken())
        assert store.end() == -1
        assert streams.Append(iter([options(), proposed()])).success.current_revision == 0


class TestBatchAppend:
    def test_a_bad_batch_does_not_hinder_the_next(
        self, streams: streams_pb2_grpc.StreamsStub, store: SqliteStore
    ) -> None:
        def batch(number: int, kind: str) -> streams_pb2.BatchAppendReq:
            of = streams_pb2.BatchAppendReq.Options(stream_identifier=identifier())
            of.any.SetInParent()
            message = streams_pb2.BatchAppendReq.ProposedMessage(
                id=shared_pb2.UUID(string=f"00000000-0000-0000-0000-{number:012}"),
                metadata={"type": kind, "content-type": "application/json"},
            )
            return streams_pb2.BatchAppendReq(
                correlation_id=shared_pb2.UUID(string=str(number)),
                options=of,
                proposed_messages=[message],
                is_final=True,
            )

        sent = [batch(1, "A"), batch(2, ""), batch(3, "B")]
        told = list(streams.BatchAppend(iter(sent), timeout=READ_SECONDS))
        assert [one.WhichOneof("result") for one in told] == ["success", "error", "success"]
        assert [one.correlation_id.string for one in told] == ["1", "2", "3"]
        assert [event.type for event in store.read_all()] == ["A", "B"]


class TestRead:
    def test_backwards_from_the_start(
        self, streams: streams_pb2_grpc.StreamsStub, store: SqliteStore
    ) -> None:
        batch = [NewEvent(named_id(name), "A", b"{}", b"") for name in "abc"]
        store.append("s-1", Expected.ANY, batch)
        backwards = Options.ReadDirection.Backwards
        log = read_options(read_direction=backwards)
        assert list(streams.Read(streams_pb2.ReadReq(options=log))) == []
        stream = Options.StreamOptions(stream_identifier=identifier(), start=shared_pb2.Empty())
        of = read_options(read_direction=backwards, stream=stream)
        found = list(streams.Read(streams_pb2.ReadReq(options=of)))
        assert [one.event.event.stream_revision for one in found] == [0]

    @pytest.mark.parametrize(
        ("start", "changes", "told"),
        [
            (0, {}, [0, 1, 2, "last 2"]),
            (1, {"count": 1}, [1, "last 2"]),
            (3, {}, ["last 2"]),
            (9, {}, ["first 3", "last 2"]),
            (1, {"read_direction": Options.ReadDirection.Backwards}, [1, 0, "last 2"]),
            (1, {"control_option": {"compatibility": 0}}, [1, 2]),
            (None, {}, ["first 3", "last 2"]),
        ],
    )
    def test_newer_clients_are_told_where_a_stream_ends(
        self,
        streams: streams_pb2_grpc.StreamsStub,
        store: SqliteStore,
        start: int | None,
        changes: dict[str, object],
        told: list[int | str],
    ) -> None:
        store.append("s-1", Expected.ANY, [NewEvent(named_id(n), "A", b"{}", b"") for n in "abc"])
        stream = Options.StreamOptions(stream_identifier=identifier(), revision=start)
        if start is None:
            stream.end.SetInParent()
        of = read_options(**{"stream": stream, "control_option": {"compatibility": 1}} | changes)
        assert [_seen(one) for one in streams.Read(streams_pb2.ReadReq(options=of))] == told

    def test_newer_clients_are_told_of_no_stream(
        self, streams: streams_pb2_grpc.StreamsStub
    ) -> None:
        stream = Options.StreamOptions(stream_identifier=identifier())
        stream.end.SetInParent()
        of = read_options(stream=stream, control_option={"compatibility": 1})
        (one,) = streams.Read(streams_pb2.ReadReq(options=of))
        assert one.HasField("stream_not_found")

    @pytest.mark.parametrize(
        ("asked", "told"),
        [
            (Options(), "neither a stream nor $all"),
            (read_options(stream=Options.StreamOptions()), "empty"),
            (read_options(filter=Options.FilterOptions(max=1)), "neither event_type nor"),
        ],
    )
    def test_what_cannot_be_understood(
        self, streams: streams_pb2_grpc.StreamsStub, asked: Options, told: str
    ) -> None:
        with pytest.raises(grpc.RpcError) as refused:
            list(streams.Read(streams_pb2.ReadReq(options=asked)))
        assert refused.value.code() == StatusCode.INVALID_ARGUMENT
        assert told in refused.value.details()

    def test_a_filter_without_a_window_looks_at_32_events(
        self, streams: streams_pb2_grpc.StreamsStub, store: SqliteStore
    ) -> None:
        streams.Append(iter([options(), *(proposed() for _ in range(100))]))
        only = Options.FilterOptions(
            event_type={"prefix": ["Other"]}, count={}, checkpointIntervalMultiplier=1
        )
        asked = read_options(filter=only, subscription={})
        call = streams.Read(streams_pb2.ReadReq(options=asked), timeout=20)
        told = [next(call).checkpoint.commit_position for _ in range(5)]
        call.cancel()
        assert told == [0, 31, 63, 95, store.end()]


def _seen(answer: streams_pb2.ReadResp) -> int | str:
    """The revision of an event, or what is told of the stream."""
    if answer.HasField("event"):
        return int(answer.event.event.stream_revision)
    which = answer.WhichOneof("content")
    assert which in ("first_stream_position", "last_stream_position")
    return f"{which.partition('_')[0]} {getattr(answer, which)}"
