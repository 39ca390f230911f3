"""Persistent subscriptions as no Python client asks for them: other forms, and bad ones."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import pytest
from google.protobuf.message import Message
from grpc import StatusCode

from runtime.events import NewEvent, named_id
from runtime.store import Expected, SqliteStore
from runtime.store.persistent import Name, config
from runtime.store.protocol import persistent_pb2, persistent_pb2_grpc, shared_pb2
from runtime.store.wire.features import supported_methods
from tests.store.wire.consumer import SECONDS, Consumer, Request, identifier, options
from tests.support.waiting import becomes

Stub = persistent_pb2_grpc.PersistentSubscriptionsStub
Create, Update = persistent_pb2.CreateReq, persistent_pb2.UpdateReq
LIVE = 2**64 - 1
SET = {"read_batch_size": 20, "history_buffer_size": 50, "max_retry_count": 3}
MISSING = "persistent-subscription-does-not-exist"


@pytest.fixture
def stub(channel: grpc.Channel) -> Stub:
    return Stub(channel)


def append(store: SqliteStore, *names: str, stream: str = "s-1") -> None:
    events = [NewEvent(named_id(name), "A", b"{}", b"") for name in names]
    store.append(stream, Expected.ANY, events)


def create(stub: Stub, stream: str = "s-1", group: str = "g", **settings: object) -> None:
    of = Create.Options(
        stream=Create.StreamOptions(stream_identifier=identifier(stream)),
        group_name=group,
        settings=Create.Settings(**(SET | settings)),
    )
    stub.Create(Create(options=of))


def info(stub: Stub, stream: str = "s-1") -> persistent_pb2.SubscriptionInfo:
    of = persistent_pb2.GetInfoReq.Options(stream_identifier=identifier(stream), group_name="g")
    return stub.GetInfo(persistent_pb2.GetInfoReq(options=of)).subscription_info


def refused(act: Callable[[], object]) -> tuple[StatusCode, str, dict[str, str | bytes]]:
    with pytest.raises(grpc.RpcError) as caught:
        act()
    error = caught.value
    return error.code(), error.details(), dict(error.trailing_metadata())


def failing_read(channel: grpc.Channel, *requests: persistent_pb2.ReadReq) -> Callable[[], object]:
    return lambda: list(Stub(channel).Read(iter(requests), timeout=SECONDS))


class TestForms:
    @pytest.mark.parametrize(
        ("revision", "told"), [(0, "0"), (2, "2"), (LIVE, "-1"), (2**63 + 5, str(2**63 - 1))]
    )
    def test_the_older_fields_name_a_stream_and_its_start(
        self, stub: Stub, revision: int, told: str
    ) -> None:
        """As the clients for Node send it."""
        of = Create.Options(stream_identifier=identifier("s-1"), group_name="g")
        of.settings.CopyFrom(
            Create.Settings(revision=revision, consumer_strategy="RoundRobin", **SET)
        )
        stub.Create(Create(options=of))
        assert info(stub).start_from == told
        changed = Update.Options(stream_identifier=identifier("s-1"), group_name="g")
        changed.settings.CopyFrom(
            Update.Settings(revision=1, named_consumer_strategy=2, message_timeout_ticks=5, **SET)
        )
        stub.Update(Update(options=changed))
        assert (info(stub).start_from, info(stub).named_consumer_strategy) == ("1", "Pinned")

    def test_times_in_ticks(self, stub: Stub) -> None:
        create(stub, message_timeout_ticks=15_000_000, checkpoint_after_ticks=25_000_000)
        assert info(stub).message_timeout_milliseconds == 1500
        assert info(stub).check_point_after_milliseconds == 2500

    def test_no_start_is_the_beginning(self, stub: Stub) -> None:
        create(stub)
        of = Create.Options(group_name="g", settings=Create.Settings(**SET))
        of.all.SetInParent()
        stub.Create(Create(options=of))
        whole = persistent_pb2.GetInfoReq.Options(group_name="g")
        whole.all.SetInParent()
        told = stub.GetInfo(persistent_pb2.GetInfoReq(options=whole)).subscription_info
        assert (info(stub).start_from, told.start_from) == ("0", "C:0/P:0")

    def test_prefixes_filter_the_log(
        self, stub: Stub, channel: grpc.Channel, store: SqliteStore
    ) -> None:
        append(store, "a", stream="a-1")
        append(store, "b", stream="b-1")
        of = Create.Options(group_name="g", settings=Create.Settings(**SET))
        of.all.filter.stream_identifier.prefix.append("b-")
        of.all.filter.count.SetInParent()
        stub.Create(Create(options=of))
        asked = Request.Options(group_name="g", buffer_size=5)
        asked.all.SetInParent()
        with Consumer(channel, Request(options=asked)) as consumer:
            assert consumer.id == "$all::g"
            (found,) = consumer.take()
        assert found.event.stream_identifier.stream_name == b"b-1"
        assert found.commit_position == found.event.commit_position

    def test_structured_ids_are_given_and_taken(
        self, stub: Stub, channel: grpc.Channel, store: SqliteStore
    ) -> None:
        append(store, "a", "b")
        create(stub)
        with Consumer(channel, options(size=1, text=False)) as consumer:
            (first,) = consumer.take()
            assert first.event.id.WhichOneof("value") == "structured"
            consumer.ack(first)
            assert consumer.positions() == [(1, 0)]

    def test_a_restart_of_the_subsystem(
        self, stub: Stub, channel: grpc.Channel, store: SqliteStore
    ) -> None:
        append(store, "a")
        create(stub)
        with Consumer(channel) as consumer:
            consumer.take()
            stub.RestartSubsystem(shared_pb2.Empty())
            code, _, trailers = refused(consumer.take)
            assert code == StatusCode.CANCELLED
            assert trailers["exception"] == "persistent-subscription-dropped"
        with Consumer(channel) as consumer:
            assert consumer.positions() == [(0, 0)]

    def test_methods_and_features_are_announced(self) -> None:
        service = "event_store.client.persistent_subscriptions.PersistentSubscriptions"
        told = supported_methods({service: ["Read"]})
        assert all(word in told for word in (service.lower().encode(), b"stream", b"all"))
        assert b"position" not in told


class TestRefusals:
    def test_of_a_group_that_is_there(self, stub: Stub) -> None:
        create(stub, stream="sträng")
        code, details, trailers = refused(lambda: create(stub, stream="sträng"))
        assert code == StatusCode.ALREADY_EXISTS
        assert details == "Subscription group g on stream sträng exists."
        assert trailers["exception"] == "persistent-subscription-exists"
        assert (trailers["stream-name"], trailers["group-name"]) == ("str\\u00e4ng", "g")

    def test_of_a_group_that_is_missing(self, stub: Stub, channel: grpc.Channel) -> None:
        of = {"stream_identifier": identifier("s\n1"), "group_name": "g"}
        asks: list[Callable[[], object]] = [
            lambda: stub.GetInfo(
                persistent_pb2.GetInfoReq(options=persistent_pb2.GetInfoReq.Options(**of))
            ),
            lambda: stub.Delete(
                persistent_pb2.DeleteReq(options=persistent_pb2.DeleteReq.Options(**of))
            ),
            lambda: stub.ReplayParked(
                persistent_pb2.ReplayParkedReq(options=persistent_pb2.ReplayParkedReq.Options(**of))
            ),
            lambda: stub.Update(Update(options=Update.Options(settings=_settings(Update), **of))),
            failing_read(channel, options("s\n1")),
        ]
        for ask in asks:
            code, details, trailers = refused(ask)
            assert code == StatusCode.NOT_FOUND
            assert details == "Subscription group g on stream s\n1 does not exist."
            assert trailers["exception"] == MISSING
            assert trailers["stream-name"] == "s\\u000a1"

    def test_of_one_consumer_too_many(self, stub: Stub, channel: grpc.Channel) -> None:
        create(stub, max_subscriber_count=1)
        with Consumer(channel):
            code, details, trailers = refused(failing_read(channel, options()))
        assert code == StatusCode.FAILED_PRECONDITION
        assert details == "Maximum subscriptions reached for subscription group g on stream s-1."
        assert trailers["exception"] == "maximum-subscribers-reached"

    @pytest.mark.parametrize(
        ("act", "reason"),
        [
            (lambda stub: create(stub, consumer_strategy="Odd"), "Odd does not exist"),
            (lambda stub: create(stub, named_consumer_strategy=9), "9 does not exist"),
            (lambda stub: create(stub, history_buffer_size=20), "ReadBatchSize"),
            (lambda stub: create(stub, history_buffer_size=-1), "ReadBatchSize"),
            (lambda stub: create(stub, "$all"), "$all are only supported"),
            (lambda stub: _create_at(stub, 0, 1), "prepare position"),
            (lambda stub: _create_at(stub, 999, 999), "commit position"),
            (lambda stub: _replay(stub, -1), "negative"),
        ],
    )
    def test_of_what_cannot_be_served(
        self, stub: Stub, act: Callable[[Stub], object], reason: str
    ) -> None:
        code, details, trailers = refused(lambda: act(stub))
        assert code == StatusCode.INTERNAL
        assert reason in details
        assert trailers["exception"] == "persistent-subscription-failed"
        assert reason in str(trailers["reason"])

    def test_of_a_configuration_that_cannot_be_read(self, stub: Stub, store: SqliteStore) -> None:
        create(stub)
        bad = NewEvent(named_id("bad"), config.TYPE, b"nonsense", b"")
        store.append(config.STREAM, Expected.ANY, [bad])
        stub.RestartSubsystem(shared_pb2.Empty())
        for ask in (lambda: info(stub), lambda: create(stub, group="h")):
            code, details, _ = refused(ask)
            assert code == StatusCode.INTERNAL
            assert config.STREAM in details
        store.delete(config.STREAM)
        stub.RestartSubsystem(shared_pb2.Empty())
        create(stub)

    @pytest.mark.parametrize(
        ("request_", "told"),
        [
            (Request(ack=Request.Ack()), "must be its options"),
            (Request(), "must be its options"),
            (options(size=0), "at least 1"),
            (options(stream=""), "empty"),
            (options(group=""), "name of the group is empty"),
        ],
    )
    def test_of_reads_that_cannot_be_understood(
        self, stub: Stub, channel: grpc.Channel, request_: persistent_pb2.ReadReq, told: str
    ) -> None:
        create(stub)
        code, details, _ = refused(failing_read(channel, request_))
        assert code == StatusCode.INVALID_ARGUMENT
        assert told in details

    def test_of_lists_that_name_nothing(self, stub: Stub) -> None:
        code, *_ = refused(lambda: stub.List(persistent_pb2.ListReq()))
        assert code == StatusCode.INVALID_ARGUMENT


class TestBadConsumers:
    @pytest.mark.parametrize(
        ("bad", "told"),
        [
            (Request(ack=Request.Ack(ids=[shared_pb2.UUID(string="no")])), "not a UUID"),
            (Request(nack=Request.Nack(ids=[shared_pb2.UUID()])), "not a UUID"),
            (Request(nack=Request.Nack(action=9)), "no action"),
            (options(), "acks and nacks only"),
        ],
    )
    def test_end_their_own_call_only(
        self,
        stub: Stub,
        channel: grpc.Channel,
        store: SqliteStore,
        bad: persistent_pb2.ReadReq,
        told: str,
    ) -> None:
        create(stub, consumer_strategy="RoundRobin")
        with Consumer(channel) as first, Consumer(channel) as second:
            append(store, "a", "b")
            taken = {first.positions()[0], second.positions()[0]}
            assert taken == {(0, 0), (1, 0)}
            second.send(bad)
            code, details, _ = refused(second.take)
            assert code == StatusCode.INVALID_ARGUMENT
            assert told in details
            ((_, retries),) = first.positions()
            assert retries == 1

    def test_unknown_ids_are_passed_over(
        self, stub: Stub, channel: grpc.Channel, store: SqliteStore
    ) -> None:
        append(store, "a", "b")
        create(stub)
        unknown = shared_pb2.UUID(string="00000000-0000-0000-0000-000000000001")
        with Consumer(channel, options(size=1)) as consumer:
            (first,) = consumer.take()
            consumer.send(Request(ack=Request.Ack(ids=[unknown, first.event.id, first.event.id])))
            assert consumer.positions() == [(1, 0)]

    def test_one_that_says_no_more_still_reads(
        self, stub: Stub, channel: grpc.Channel, store: SqliteStore
    ) -> None:
        create(stub)
        with Consumer(channel, options(size=2)) as consumer:
            consumer.close_requests()
            append(store, "a", "b", "c")
            assert consumer.positions(2) == [(0, 0), (1, 0)]
        with Consumer(channel) as consumer:
            assert consumer.positions(3) == [(0, 1), (1, 1), (2, 0)]

    def test_a_stream_of_a_group_that_is_gone_for_good_hinders_no_other(
        self, stub: Stub, channel: grpc.Channel, store: SqliteStore
    ) -> None:
        append(store, "a", "b")
        create(stub, max_checkpoint_count=1)
        name = Name("s-1", "g")
        store.delete(name.checkpoints, hard=True)
        with Consumer(channel) as consumer:
            first, second = consumer.take(2)
            consumer.ack(first)
            consumer.nack(1, second, reason="x" * 100_000)
            becomes(lambda: info(stub).parked_message_count, 1)
        (link,) = store.read_stream(name.parked)
        assert link.data == b"1@s-1"
        assert len(link.metadata) < 11_000

    def test_a_read_without_a_message_is_over(self, channel: grpc.Channel) -> None:
        assert failing_read(channel)() == []


def _settings(of: type[Create] | type[Update]) -> Message:
    return of.Settings(**SET)


def _create_at(stub: Stub, commit: int, prepare: int) -> None:
    of = Create.Options(group_name="g", settings=Create.Settings(**SET))
    of.all.position.commit_position, of.all.position.prepare_position = commit, prepare
    stub.Create(Create(options=of))


def _replay(stub: Stub, stop_at: int) -> None:
    create(stub)
    of = persistent_pb2.ReplayParkedReq.Options(
        stream_identifier=identifier("s-1"), group_name="g", stop_at=stop_at
    )
    stub.ReplayParked(persistent_pb2.ReplayParkedReq(options=of))
