"""What KurrentDB's Python client sees of the projections of a store that is served."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from esdbclient import EventStoreDBClient, NewEvent, StreamState
from esdbclient.exceptions import (
    AlreadyExists,
    GrpcError,
    NotFound,
    OperationFailed,
)
from esdbclient.projections import ProjectionStatistics
from google.protobuf.json_format import MessageToDict

from runtime.store import SqliteStore
from runtime.store.projections import Limits
from runtime.store.protocol import projections_pb2, projections_pb2_grpc, shared_pb2
from runtime.store.wire import Serving
from tests.support.served import served
from tests.support.waiting import becomes

ANY = StreamState.ANY
COUNT = "fromAll().when({$init: () => ({count: 0}), Seen(s) { s.count += 1 }}).outputState()"
EACH = """fromCategory('acc').foreachStream().when({
    $init: () => ({count: 0}), Seen(s, e) { s.count += 1; linkTo('seen', e) }
}).transformBy(s => ({total: s.count})).outputState()"""


def new(kind: str = "Seen", data: bytes = b"{}") -> NewEvent:
    return NewEvent(kind, data)


def append(client: EventStoreDBClient, stream: str, count: int = 1, kind: str = "Seen") -> None:
    client.append_to_stream(stream, current_version=ANY, events=[new(kind) for _ in range(count)])


@contextmanager
def connected(
    store: SqliteStore, *, standard: bool = True, seconds: float = 10.0
) -> Iterator[EventStoreDBClient]:
    limits = Limits(seconds=seconds)
    serving = Serving(port=0, start_standard_projections=standard, projection_limits=limits)
    with (
        served(store, serving) as port,
        EventStoreDBClient(f"esdb://localhost:{port}?Tls=false") as client,
    ):
        yield client


@pytest.fixture
def client(store: SqliteStore) -> Iterator[EventStoreDBClient]:
    with connected(store) as opened:
        yield opened


def statistics(client: EventStoreDBClient, name: str) -> ProjectionStatistics:
    return client.get_projection_statistics(name=name)


def state(client: EventStoreDBClient, name: str, partition: str = "") -> Any:
    return client.projections.get_state(name, partition).value


def stands(client: EventStoreDBClient, name: str, status: str) -> None:
    becomes(lambda: statistics(client, name).status, status)


def stub(client: EventStoreDBClient) -> tuple[Any, grpc.Channel]:
    channel = grpc.insecure_channel(client.connection_target)
    return projections_pb2_grpc.ProjectionsStub(channel), channel


def links(client: EventStoreDBClient, stream: str) -> list[tuple[str, int]]:
    try:
        found = client.get_stream(stream, resolve_links=True)
    except NotFound:
        return []
    return [(event.stream_name, event.stream_position) for event in found]


class TestStandard:
    def test_streams_of_links_are_read_with_links_resolved(
        self, client: EventStoreDBClient
    ) -> None:
        append(client, "acc-1", 2)
        append(client, "acc-2")
        wanted = [("acc-1", 0), ("acc-1", 1), ("acc-2", 0)]
        becomes(lambda: links(client, "$ce-acc"), wanted)
        becomes(lambda: links(client, "$et-Seen"), wanted)
        becomes(lambda: links(client, "$streams"), [("acc-1", 0), ("acc-2", 0)])
        becomes(lambda: len(client.get_stream("$category-acc")), 2)

    def test_a_subscription_follows_a_category(self, client: EventStoreDBClient) -> None:
        with client.subscribe_to_stream("$ce-acc", resolve_links=True) as subscription:
            append(client, "acc-1")
            found = next(subscription)
            assert (found.stream_name, found.stream_position) == ("acc-1", 0)
            assert found.link is not None
            assert found.link.stream_name == "$ce-acc"

    def test_they_are_there_but_stopped_unless_they_are_started(self, store: SqliteStore) -> None:
        with connected(store, standard=False) as client:
            for name in ("$by_category", "$by_event_type", "$by_correlation_id", "$streams"):
                assert statistics(client, name).status == "Stopped"
            append(client, "acc-1")
            assert store.streams("$") == []
            client.enable_projection("$by_category")
            becomes(lambda: links(client, "$ce-acc"), [("acc-1", 0)])
        with connected(store, standard=False) as client:
            assert statistics(client, "$by_category").status == "Running"
            assert statistics(client, "$streams").status == "Stopped"
            client.disable_projection("$by_category")
            stands(client, "$by_category", "Stopped")


class TestCustom:
    def test_state_and_statistics(self, client: EventStoreDBClient) -> None:
        append(client, "a-1", 3)
        client.create_projection(name="count", query=COUNT)
        becomes(lambda: state(client, "count"), {"count": 3})
        append(client, "a-1", 2)
        becomes(lambda: state(client, "count"), {"count": 5})
        found = statistics(client, "count")
        assert (found.name, found.effective_name, found.mode) == ("count", "count", "Continuous")
        assert found.status == "Running"
        assert found.position.startswith("C:")
        assert found.last_checkpoint.startswith("C:")
        assert found.events_processed_after_restart == 5
        becomes(lambda: statistics(client, "count").progress, 100.0)

    def test_partitions_links_and_results(
        self, client: EventStoreDBClient, store: SqliteStore
    ) -> None:
        append(client, "acc-1", 2)
        append(client, "acc-2")
        append(client, "other-1")
        client.create_projection(name="each", query=EACH, emit_enabled=True)
        becomes(lambda: state(client, "each", "acc-1"), {"count": 2})
        becomes(lambda: state(client, "each", "acc-2"), {"count": 1})
        assert state(client, "each", "other-1") == {}
        assert links(client, "seen") == [("acc-1", 0), ("acc-1", 1), ("acc-2", 0)]
        service, channel = stub(client)
        with channel:
            options = projections_pb2.ResultReq.Options(name="each", partition="acc-1")
            answer = service.Result(projections_pb2.ResultReq(options=options))
        assert MessageToDict(answer.result) == {"total": 2.0}
        results = client.get_stream("$projections-each-acc-1-result")
        assert [event.data for event in results] == [b'{"total":1}', b'{"total":2}']

    def test_they_go_on_after_a_restart(self, store: SqliteStore) -> None:
        with connected(store) as client:
            append(client, "acc-1", 2)
            client.create_projection(name="each", query=EACH, emit_enabled=True)
            becomes(lambda: state(client, "each", "acc-1"), {"count": 2})
        with connected(store) as client:
            assert state(client, "each", "acc-1") == {"count": 2}
            append(client, "acc-1")
            becomes(lambda: state(client, "each", "acc-1"), {"count": 3})
            assert len(links(client, "seen")) == 3
            client.restart_projections_subsystem()
            append(client, "acc-1")
            becomes(lambda: state(client, "each", "acc-1"), {"count": 4})

    def test_disable_abort_enable(self, client: EventStoreDBClient) -> None:
        client.create_projection(name="count", query=COUNT)
        client.disable_projection("count")
        stands(client, "count", "Stopped")
        client.enable_projection("count")
        stands(client, "count", "Running")
        client.enable_projection("count")
        client.projections.disable("count", write_checkpoint=False)
        stands(client, "count", "Aborted/Stopped")
        append(client, "a-1")
        client.enable_projection("count")
        becomes(lambda: state(client, "count"), {"count": 1})

    def test_update_and_reset(self, client: EventStoreDBClient) -> None:
        append(client, "a-1", 2)
        client.create_projection(name="count", query=COUNT)
        becomes(lambda: state(client, "count"), {"count": 2})
        client.update_projection("count", query=COUNT.replace("+= 1", "+= 10"))
        append(client, "a-1")
        becomes(lambda: state(client, "count"), {"count": 12})
        client.reset_projection("count")
        becomes(lambda: state(client, "count"), {"count": 30})

    def test_delete(self, client: EventStoreDBClient, store: SqliteStore) -> None:
        append(client, "acc-1")
        client.create_projection(
            name="each", query=EACH, emit_enabled=True, track_emitted_streams=True
        )
        becomes(lambda: links(client, "seen"), [("acc-1", 0)])
        with pytest.raises(OperationFailed):
            client.delete_projection("each")
        client.disable_projection("each")
        client.delete_projection(
            "each",
            delete_emitted_streams=True,
            delete_state_stream=True,
            delete_checkpoint_stream=True,
        )
        with pytest.raises(NotFound):
            statistics(client, "each")
        for stream in ("seen", "$projections-each-checkpoint", "$projections-each-acc-1-result"):
            with pytest.raises(NotFound):
                client.get_stream(stream)

    def test_of_every_mode(self, client: EventStoreDBClient) -> None:
        append(client, "a-1", 2)
        service, channel = stub(client)
        modes = projections_pb2.CreateReq.Options
        with channel:
            transient = modes(transient=modes.Transient(name="soon"), query=COUNT)
            service.Create(projections_pb2.CreateReq(options=transient))
            once = modes(one_time=shared_pb2.Empty(), query=COUNT)
            service.Create(projections_pb2.CreateReq(options=once))
            stands(client, "soon", "Completed")
            assert state(client, "soon") == {"count": 2}
            asked = projections_pb2.StatisticsReq.Options(one_time=shared_pb2.Empty())
            (found,) = service.Statistics(projections_pb2.StatisticsReq(options=asked))
            assert found.details.mode == "OneTime"
            everything = projections_pb2.StatisticsReq.Options(all=shared_pb2.Empty())
            reports = list(service.Statistics(projections_pb2.StatisticsReq(options=everything)))
            assert len(reports) == 7


class TestRefusals:
    def test_of_what_is_not_there(self, client: EventStoreDBClient) -> None:
        for act in (
            lambda: client.update_projection("x", query=COUNT),
            lambda: client.enable_projection("x"),
            lambda: client.disable_projection("x"),
            lambda: client.reset_projection("x"),
            lambda: client.delete_projection("x"),
            lambda: statistics(client, "x"),
            lambda: state(client, "x"),
        ):
            with pytest.raises(NotFound):
                act()

    def test_of_what_is_there(self, client: EventStoreDBClient) -> None:
        client.create_projection(name="count", query=COUNT)
        with pytest.raises(AlreadyExists):
            client.create_projection(name="count", query=COUNT)

    def test_of_queries_that_cannot_be_run(self, client: EventStoreDBClient) -> None:
        with pytest.raises(GrpcError, match="SyntaxError"):
            client.create_projection(name="bad", query="fromAll().when({")
        with pytest.raises(NotFound):
            statistics(client, "bad")
        client.create_projection(name="count", query=COUNT)
        with pytest.raises(GrpcError, match="reads nothing"):
            client.update_projection("count", query="1")
        assert statistics(client, "count").status == "Running"

    def test_of_requests_that_say_nothing(self, client: EventStoreDBClient) -> None:
        service, channel = stub(client)
        modes = projections_pb2.CreateReq.Options
        with channel:
            for options in (
                modes(query=COUNT),
                modes(transient=modes.Transient(name=" "), query=COUNT),
                modes(
                    continuous=modes.Continuous(name="x", track_emitted_streams=True), query=COUNT
                ),
            ):
                with pytest.raises(grpc.RpcError) as refused:
                    service.Create(projections_pb2.CreateReq(options=options))
                assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


class TestFaults:
    @pytest.mark.parametrize(
        ("handler", "told"),
        [
            ("throw new Error('no')", "Error: no; at event 1@a-1"),
            ("emit('out', 'T', {})", "'emit' is not allowed"),
            ("for (;;) {}", "at event 1@a-1"),
        ],
    )
    def test_it_stops_alone_and_says_why(self, store: SqliteStore, handler: str, told: str) -> None:
        query = f"fromAll().when({{Seen(s) {{ s.n = 1 }}, Bad(s) {{ {handler} }}}})"
        with connected(store, seconds=2) as client:
            client.create_projection(name="bad", query=query)
            append(client, "a-1")
            append(client, "a-1", kind="Bad")
            stands(client, "bad", "Faulted (Enabled)")
            assert told in statistics(client, "bad").state_reason
            assert state(client, "bad") == {"n": 1}
            append(client, "acc-1")
            becomes(lambda: links(client, "$ce-acc"), [("acc-1", 0)])
            client.disable_projection("bad")
            client.delete_projection("bad")

    def test_others_are_answered_meanwhile(self, store: SqliteStore) -> None:
        with connected(store, seconds=60) as client:
            client.create_projection(name="bad", query="fromAll().when({Seen() { for (;;) {} }})")
            append(client, "a-1")
            assert len(client.get_stream("a-1")) == 1
            assert statistics(client, "bad").status == "Running"

    def test_queries_that_take_long_to_judge_hold_up_nobody_else(self, store: SqliteStore) -> None:
        with connected(store, standard=False, seconds=5) as client:
            append(client, "a-1")
            with grpc.insecure_channel(client.connection_target) as channel:
                stub = projections_pb2_grpc.ProjectionsStub(channel)
                calls = []
                for number in range(20):
                    request = projections_pb2.CreateReq()
                    request.options.transient.name = f"slow-{number}"
                    request.options.query = "for (;;) {}"
                    calls.append(stub.Create.future(request))
                for _ in range(10):
                    assert len(client.get_stream("a-1")) == 1
                assert not any(call.done() for call in calls)
                for call in calls:
                    call.cancel()


def test_they_are_announced(client: EventStoreDBClient) -> None:
    with grpc.insecure_channel(client.connection_target) as channel:
        ask = channel.unary_unary(
            "/event_store.client.server_features.ServerFeatures/GetSupportedMethods"
        )
        answer = ask(b"")
    assert b"event_store.client.projections.projections" in answer
    assert b"track_emitted_streams" in answer


def test_many_callers_at_once(client: EventStoreDBClient) -> None:
    append(client, "a-1", 2)
    errors: list[BaseException] = []

    def make(number: int) -> None:
        try:
            client.create_projection(name=f"count-{number}", query=COUNT)
            becomes(lambda: state(client, f"count-{number}"), {"count": 2})
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=make, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_the_server_ends_while_code_is_running(tmp_path: Path) -> None:
    with SqliteStore.open(tmp_path / "a.db") as store:
        with connected(store, seconds=60) as client:
            client.create_projection(name="bad", query="fromAll().when({Seen() { for (;;) {} }})")
            append(client, "a-1")
            becomes(lambda: len(client.get_stream("a-1")), 1)
        assert store.revision("a-1") == 0
