"""Who may work with persistent subscriptions and projections of a server that has users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from esdbclient import EventStoreDBClient, NewEvent, StreamState
from grpc import RpcError, StatusCode

from runtime.store import SqliteStore
from runtime.store.protocol import persistent_pb2, persistent_pb2_grpc
from tests.store.wire.consumer import SECONDS, options
from tests.store.wire.secured import Secured, basic, secured
from tests.store.wire.test_access import denied, describe

ANY = StreamState.ANY
QUERY = "fromAll().when({$init: () => ({})})"
Act = Callable[[EventStoreDBClient], object]


@pytest.fixture
def server(store: SqliteStore, tmp_path: Path) -> Iterator[Secured]:
    with secured(store, tmp_path, anonymous=True) as running:
        admin = running.client("admin")
        admin.append_event("s-1", current_version=ANY, event=NewEvent("T", b"{}"))
        admin.create_subscription_to_stream("g", "s-1")
        admin.create_projection(name="p", query=QUERY)
        yield running


CHANGES: dict[str, Act] = {
    "create a group": lambda client: client.create_subscription_to_stream("h", "s-1"),
    "change it": lambda client: client.update_subscription_to_stream("g", "s-1"),
    "replay": lambda client: client.replay_parked_events("g", "s-1"),
    "delete it": lambda client: client.delete_subscription("g", "s-1"),
    "create a projection": lambda client: client.create_projection(name="q", query=QUERY),
    "update": lambda client: client.update_projection(name="p", query=QUERY),
    "reset": lambda client: client.reset_projection("p"),
    "state": lambda client: client.get_projection_state("p"),
    "restart": lambda client: client.restart_projections_subsystem(),
    "disable": lambda client: client.disable_projection("p"),
    "enable": lambda client: client.enable_projection("p"),
}
FIGURES: dict[str, Act] = {
    "of a group": lambda client: client.get_subscription_info("g", "s-1"),
    "of all groups": lambda client: client.list_subscriptions(),
    "of a projection": lambda client: client.get_projection_statistics(name="p"),
}


@pytest.mark.parametrize("act", CHANGES.values(), ids=CHANGES)
def test_changes_are_for_operators(server: Secured, act: Act) -> None:
    ada, ops = server.client("ada"), server.client("ops")
    assert denied(lambda: act(ada))
    assert not denied(lambda: act(ops))


@pytest.mark.parametrize("act", FIGURES.values(), ids=FIGURES)
def test_figures_are_for_all_who_sign_in(server: Secured, act: Act) -> None:
    assert not denied(lambda: act(server.client("ada")))


def test_consumers_need_the_right_to_read_the_stream(server: Secured, store: SqliteStore) -> None:
    ada = server.client("ada")
    with ada.read_subscription_to_stream("g", "s-1", timeout=SECONDS) as subscription:
        assert next(subscription).stream_position == 0
    describe(store, "s-1", r="bob")
    assert denied(lambda: ada.read_subscription_to_stream("g", "s-1"))


def test_figures_name_the_consumers(server: Secured) -> None:
    stub = persistent_pb2_grpc.PersistentSubscriptionsStub(server.channel())
    asking = persistent_pb2.ListReq()
    asking.options.list_all_subscriptions.SetInParent()
    with server.client("ada").read_subscription_to_stream("g", "s-1", timeout=SECONDS) as taken:
        next(taken)
        (told,) = stub.List(asking, timeout=SECONDS, metadata=basic("bob")).subscriptions
    assert [each.username for each in told.connections] == ["ada"]


def test_nobody_consumes_and_asks_without_a_name(server: Secured) -> None:
    """Not even what is open to everybody, as in KurrentDB."""
    stub = persistent_pb2_grpc.PersistentSubscriptionsStub(server.channel())
    asking = persistent_pb2.ListReq()
    asking.options.list_all_subscriptions.SetInParent()
    calls: list[Callable[[], object]] = [
        lambda: next(stub.Read(iter([options()]), timeout=SECONDS)),
        lambda: stub.List(asking, timeout=SECONDS),
    ]
    for call in calls:
        with pytest.raises(RpcError) as refused:
            call()
        assert refused.value.code() is StatusCode.PERMISSION_DENIED
    assert stub.List(asking, timeout=SECONDS, metadata=basic("bob")).subscriptions
