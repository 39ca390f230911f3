"""Requests that KurrentDB's Python client would never send, over a plain channel."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

import grpc
import pytest
from grpc import StatusCode

from runtime.events import NewEvent, named_id
from runtime.store import Expected, SqliteStore
from runtime.store.protocol import (
    code_pb2,
    gossip_pb2,
    gossip_pb2_grpc,
    shared_pb2,
    streams_pb2,
    streams_pb2_grpc,
)

Options = streams_pb2.ReadReq.Options
Filtering = Options.FilterOptions
NOBODY = shared_pb2.UUID.Structured()
LARGEST = 2**64 - 1
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


def batch(number: int, kind: str, stream: bytes = b"s-1") -> streams_pb2.BatchAppendReq:
    of = streams_pb2.BatchAppendReq.Options(stream_identifier=identifier(stream))
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


def store_kinds(store: SqliteStore, *kinds: str) -> None:
    events = [
        NewEvent(named_id(str(number)), kind, b"{}", b"") for number, kind in enumerate(kinds)
    ]
    store.append("s-1", Expected.ANY, events)


class TestAppend:
    @pytest.mark.parametrize(
        ("sent", "told"),
        [
            ([], "names no stream"),
            ([proposed()], "names no stream"),
            ([options(b"")], "empty"),
            ([options(b"\xff")], "not UTF-8"),
            ([options(b"a\0b")], "NUL"),
            ([options(b"$$")], "'$$'"),
            ([options(), proposed(), options(b"s-2"), proposed()], "once"),
            ([proposed(), options()], "must come first"),
            ([options(), proposed(metadata={"type": "A"})], "'content-type' is missing"),
            ([options(), proposed(metadata={"content-type": "application/json"})], "'type' is"),
            (
                [
                    options(),
                    proposed(metadata={"type": "x" * 1025, "content-type": "application/json"}),
                ],
                "longer than 1024",
            ),
            ([options(), proposed(id=shared_pb2.UUID(string="no"))], "'no' is not a UUID"),
            ([options(), proposed(id=shared_pb2.UUID())], "not a UUID"),
            ([options(), proposed(id=shared_pb2.UUID(structured=NOBODY))], "all zeros"),
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

    def test_the_largest_revision_is_that_of_no_stream(
        self, streams: streams_pb2_grpc.StreamsStub
    ) -> None:
        asked = options()
        asked.options.revision = LARGEST
        assert streams.Append(iter([asked, proposed()])).success.current_revision == 0

    def test_older_fields_say_what_was_expected(
        self, streams: streams_pb2_grpc.StreamsStub
    ) -> None:
        streams.Append(iter([options(), proposed()]))
        asked = options()
        asked.options.no_stream.SetInParent()
        other = proposed(id=shared_pb2.UUID(string="00000000-0000-0000-0000-000000000002"))
        told = streams.Append(iter([asked, other])).wrong_expected_version
        assert told.HasField("expected_no_stream")
        assert told.expected_revision_20_6_0 == LARGEST
        assert told.current_revision_20_6_0 == told.current_revision == 0

    def test_an_empty_content_type_is_binary(
        self, streams: streams_pb2_grpc.StreamsStub, store: SqliteStore
    ) -> None:
        streams.Append(iter([options(), proposed(metadata={"type": "A", "content-type": ""})]))
        assert [event.json for event in store.read_all()] == [False]

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
        sent = [batch(1, "A"), batch(2, ""), batch(3, "B")]
        told = list(streams.BatchAppend(iter(sent), timeout=READ_SECONDS))
        assert [one.WhichOneof("result") for one in told] == ["success", "error", "success"]
        assert [one.correlation_id.string for one in told] == ["1", "2", "3"]
        assert [event.type for event in store.read_all()] == ["A", "B"]

    def test_the_codes_of_errors(
        self, streams: streams_pb2_grpc.StreamsStub, store: SqliteStore
    ) -> None:
        store.delete("s-1", hard=True)
        wrong = batch(2, "A", b"s-2")
        wrong.options.stream_position = 7
        sent = [batch(1, "A"), wrong, batch(3, "", b"s-2")]
        told = streams.BatchAppend(iter(sent), timeout=READ_SECONDS)
        codes = code_pb2.NOT_FOUND, code_pb2.ALREADY_EXISTS, code_pb2.INVALID_ARGUMENT
        assert tuple(one.error.code for one in told) == codes


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

    @pytest.mark.parametrize(
        ("start", "count", "told"),
        [
            (0, 2, ["first 90", 90, 91, "last 99"]),
            (58, 2**63, ["first 90", *range(90, 100), "last 99"]),
            (59, 2**63, [*range(90, 100), "last 99"]),
            (89, 1, ["first 90", 90, "last 99"]),
            (90, 1, [90, "last 99"]),
        ],
    )
    def test_newer_clients_are_told_where_a_shortened_stream_begins(
        self,
        streams: streams_pb2_grpc.StreamsStub,
        store: SqliteStore,
        start: int,
        count: int,
        told: list[int | str],
    ) -> None:
        store_kinds(store, *"A" * 100)
        limit = NewEvent(named_id("limit"), "$metadata", b'{"$maxCount":10}', b"")
        store.append("$$s-1", Expected.ANY, [limit])
        stream = Options.StreamOptions(stream_identifier=identifier(), revision=start)
        of = read_options(stream=stream, control_option={"compatibility": 1}, count=count)
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
            (read_options(filter=Filtering(max=1)), "neither event_type nor"),
            (Options(all=Options.AllOptions(start=shared_pb2.Empty())), "how many events"),
            (
                read_options(
                    stream=Options.StreamOptions(stream_identifier=identifier()),
                    filter=Filtering(max=1, event_type=Filtering.Expression(prefix=["A"])),
                ),
                "cannot be filtered",
            ),
        ],
    )
    def test_what_cannot_be_understood(
        self, streams: streams_pb2_grpc.StreamsStub, asked: Options, told: str
    ) -> None:
        with pytest.raises(grpc.RpcError) as refused:
            list(streams.Read(streams_pb2.ReadReq(options=asked)))
        assert refused.value.code() == StatusCode.INVALID_ARGUMENT
        assert told in refused.value.details()

    @pytest.mark.parametrize(
        ("expression", "told"),
        [
            (Filtering.Expression(prefix=["A", "C"]), ["A", "C"]),
            (Filtering.Expression(prefix=["A"], regex="^B$"), ["B"]),
            (Filtering.Expression(), []),
        ],
    )
    def test_a_pattern_or_prefixes_or_nothing(
        self,
        streams: streams_pb2_grpc.StreamsStub,
        store: SqliteStore,
        expression: Filtering.Expression,
        told: list[str],
    ) -> None:
        store_kinds(store, "A", "B", "C")
        of = read_options(filter=Filtering(max=1, event_type=expression))
        found = streams.Read(streams_pb2.ReadReq(options=of))
        assert [one.event.event.metadata["type"] for one in found] == told

    def test_a_filter_without_a_window_has_one_of_32(
        self, streams: streams_pb2_grpc.StreamsStub, store: SqliteStore
    ) -> None:
        store_kinds(store, *"A" * 100)
        wanted = Filtering.Expression(prefix=["B"])
        filtering = Filtering(
            event_type=wanted, count=shared_pb2.Empty(), checkpointIntervalMultiplier=1
        )
        of = read_options(filter=filtering, subscription=Options.SubscriptionOptions())
        call = streams.Read(streams_pb2.ReadReq(options=of), timeout=READ_SECONDS)
        told = list(takewhile(lambda one: not one.HasField("caught_up"), call))
        call.cancel()
        assert [one.checkpoint.commit_position for one in told[1:]] == [31, 63, 95, 100]

    def test_a_tombstone_is_not_declared_json(
        self, streams: streams_pb2_grpc.StreamsStub, store: SqliteStore
    ) -> None:
        store_kinds(store, "A")
        store.delete("s-1", hard=True)
        *_, last = streams.Read(streams_pb2.ReadReq(options=read_options()))
        told = last.event.event.metadata
        assert (told["type"], told["content-type"]) == (
            "$streamDeleted",
            "application/octet-stream",
        )

    def test_metadata_end_with_their_stream(
        self, streams: streams_pb2_grpc.StreamsStub, store: SqliteStore
    ) -> None:
        store_kinds(store, "A")
        store.append("$$s-1", Expected.ANY, [NewEvent(named_id("m"), "$metadata", b"{}", b"")])
        stream = Options.StreamOptions(stream_identifier=identifier(b"$$s-1"))
        asked = streams_pb2.ReadReq(options=read_options(stream=stream))
        assert len(list(streams.Read(asked))) == 1
        store.delete("s-1", hard=True)
        with pytest.raises(grpc.RpcError, match=r"Event stream '\$\$s-1' is deleted"):
            list(streams.Read(asked))


class TestGossip:
    def test_one_member_that_leads(self, channel: grpc.Channel, port: int) -> None:
        (member,) = gossip_pb2_grpc.GossipStub(channel).Read(shared_pb2.Empty()).members
        assert member.state == gossip_pb2.MemberInfo.VNodeState.Leader
        assert member.is_alive
        assert (member.http_end_point.address, member.http_end_point.port) == ("127.0.0.1", port)
        assert member.instance_id.WhichOneof("value") == "structured"


def _seen(answer: streams_pb2.ReadResp) -> int | str:
    """The revision of an event, or what is told of the stream."""
    if answer.HasField("event"):
        return int(answer.event.event.stream_revision)
    which = answer.WhichOneof("content")
    assert which in ("first_stream_position", "last_stream_position")
    return f"{which.partition('_')[0]} {getattr(answer, which)}"
