"""Whom a server that has users lets in, and for what."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import grpc
import pytest
from esdbclient import EventStoreDBClient, NewEvent, StreamState
from esdbclient.exceptions import AccessDeniedError, EventStoreDBClientException, GrpcError
from grpc import StatusCode

from runtime import events
from runtime.events import named_id
from runtime.store import Expected, SqliteStore
from runtime.store.access import ADMINS, Cost
from runtime.store.protocol import shared_pb2, streams_pb2, streams_pb2_grpc
from runtime.store.wire import Access, Serving, serve
from tests.store.wire.secured import SECONDS, Secured, basic, secured
from tests.store.wire.test_requests import identifier, options, proposed, read_options
from tests.support.certificates import Authority
from tests.support.people import directory_of, person

ANY = StreamState.ANY
SLOW = Cost(p=1)


@pytest.fixture
def server(store: SqliteStore, tmp_path: Path) -> Iterator[Secured]:
    with secured(store, tmp_path) as running:
        yield running


def new() -> NewEvent:
    return NewEvent("Seen", b"{}")


def describe(store: SqliteStore, stream: str, **rights: object) -> None:
    """Give a stream an access list, as who operates the machine may."""
    said = {f"${key}": names for key, names in rights.items()}
    written(store, f"$${stream}", {"$acl": said})


def written(store: SqliteStore, stream: str, data: object) -> None:
    identity = named_id(f"{stream} {store.end()}")
    event = events.NewEvent(identity, "$metadata", json.dumps(data).encode(), b"")
    store.append(stream, Expected.ANY, [event])


def denied(call: Callable[[], object]) -> bool:
    """Whether a call of the Python client is denied; any other failure is one of the test."""
    try:
        call()
    except AccessDeniedError:
        return True
    except GrpcError as error:
        if "Access Denied" not in str(error):
            raise
        trailers = error.args[0].trailing_metadata()
        return ("exception", "access-denied") in [(each.key, each.value) for each in trailers]
    return False


def refusal(call: Callable[[], object]) -> tuple[StatusCode, str]:
    """The status of a call over a plain channel that is refused."""
    with pytest.raises(grpc.RpcError) as refused:
        call()
    error = refused.value
    assert isinstance(error, grpc.Call)
    return error.code(), error.details()


ACTS: dict[str, Callable[[EventStoreDBClient], object]] = {
    "r": lambda client: client.get_stream("s-1"),
    "w": lambda client: client.append_event("s-1", current_version=ANY, event=new()),
    "d": lambda client: client.delete_stream("s-1", current_version=ANY),
    "mr": lambda client: client.get_stream_metadata("s-1"),
    "mw": lambda client: client.set_stream_metadata("s-1", metadata={}, current_version=ANY),
}
"""What is asked for by each key of an access list."""


class TestAccessLists:
    @pytest.mark.parametrize("key", ACTS)
    @pytest.mark.parametrize("names", ["desk", ["bob", "ada"]])
    def test_open_an_act_to_whom_they_name(
        self, server: Secured, store: SqliteStore, key: str, names: object
    ) -> None:
        ada = server.client("ada")
        ada.append_event("s-1", current_version=ANY, event=new())
        describe(store, "s-1", **{key: names})
        assert denied(lambda: ACTS[key](server.client("ops")))
        assert not denied(lambda: ACTS[key](ada))

    @pytest.mark.parametrize("key", ACTS)
    def test_close_an_act_to_all_but_administrators(
        self, server: Secured, store: SqliteStore, key: str
    ) -> None:
        ada = server.client("ada")
        ada.append_event("s-1", current_version=ANY, event=new())
        describe(store, "s-1", **{key: []})
        for other, act in ACTS.items():
            if other == key:
                assert denied(lambda act=act: act(ada))  # type: ignore[misc]
        assert not denied(lambda: ACTS[key](server.client("admin")))

    def test_count_from_when_they_are_written_until_they_are_rewritten(
        self, server: Secured
    ) -> None:
        admin, bob = server.client("admin"), server.client("bob")
        for names in ([], ["bob"], "desk", "$all"):
            admin.set_stream_metadata("s-1", metadata={"$acl": {"$w": names}}, current_version=ANY)
            shut = denied(lambda: bob.append_event("s-1", current_version=ANY, event=new()))
            assert shut == (names in ([], "desk"))

    def test_are_lost_with_the_stream(self, server: Secured, store: SqliteStore) -> None:
        bob = server.client("bob")
        bob.append_event("s-1", current_version=ANY, event=new())
        describe(store, "s-1", w=[])
        assert denied(lambda: ACTS["w"](bob))
        bob.delete_stream("s-1", current_version=ANY)
        assert not denied(lambda: ACTS["w"](bob))

    def test_of_settings_hold_for_streams_that_have_none(
        self, server: Secured, store: SqliteStore
    ) -> None:
        bob = server.client("bob")
        describe(store, "s-2", w="bob")
        written(
            store,
            "$settings",
            {"$userStreamAcl": {"$w": "desk"}, "$systemStreamAcl": {"$r": "desk"}},
        )
        assert denied(lambda: bob.append_event("s-1", current_version=ANY, event=new()))
        assert not denied(lambda: bob.append_event("s-2", current_version=ANY, event=new()))
        assert not denied(lambda: ACTS["w"](server.client("ada")))
        assert not denied(lambda: list(server.client("ada").read_all()))
        written(store, "$settings", {})
        assert not denied(lambda: bob.append_event("s-1", current_version=ANY, event=new()))
        assert denied(lambda: list(server.client("ada").read_all()))

    @pytest.mark.parametrize("login", ["ada", "ops", "admin"])
    def test_of_system_streams_and_the_log_let_administrators_in(
        self, server: Secured, login: str
    ) -> None:
        client = server.client(login)
        acts: list[Callable[[], object]] = [
            lambda: list(client.read_all()),
            client.subscribe_to_all,
            lambda: client.append_event("$mine", current_version=ANY, event=new()),
            lambda: client.get_stream("$mine"),
            lambda: client.get_stream_metadata("$mine"),
        ]
        assert [denied(act) for act in acts] == [login != "admin"] * 5

    def test_of_the_log_let_others_read_it(self, server: Secured, store: SqliteStore) -> None:
        describe(store, "$all", r="desk")
        assert not denied(lambda: list(server.client("ada").read_all()))
        assert denied(lambda: list(server.client("bob").read_all()))

    def test_hold_for_more_streams_than_are_remembered(
        self, server: Secured, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("runtime.store.wire.rights.REMEMBERED", 2)
        monkeypatch.setattr("runtime.store.wire.rights.LARGEST", 50)
        crowd = [f"user-{number}" for number in range(20)]
        lists: list[object] = [[], "bob", ["desk"], "$all", ["bob", *crowd], crowd]
        for number, names in enumerate(lists):
            describe(store, f"s-{number}", r=[], w=names)
        bob = server.client("bob")
        for _ in range(2):
            shut = [
                denied(lambda n=n: bob.append_event(f"s-{n}", current_version=ANY, event=new()))
                for n in range(len(lists))
            ]
            assert shut == [True, False, True, False, False, True]

    def test_are_asked_when_a_subscription_begins(
        self, server: Secured, store: SqliteStore
    ) -> None:
        ada = server.client("ada")
        subscription = ada.subscribe_to_stream("s-1")
        describe(store, "s-1", r=[])
        server.client("admin").append_event("s-1", current_version=ANY, event=new())
        assert next(subscription).stream_position == 0
        subscription.stop()
        assert denied(lambda: ada.subscribe_to_stream("s-1"))

    def test_open_nothing_that_nobody_may_do(self, server: Secured) -> None:
        admin = server.client("admin")
        assert denied(lambda: admin.append_event("$all", current_version=ANY, event=new()))
        assert denied(lambda: admin.delete_stream("$$s-1", current_version=ANY))
        assert denied(lambda: admin.tombstone_stream("$all", current_version=ANY))


class TestBatches:
    def test_are_let_in_one_by_one(self, server: Secured, store: SqliteStore) -> None:
        describe(store, "s-2", w="desk")
        stub = streams_pb2_grpc.StreamsStub(server.channel())
        requests = []
        for number in range(1, 7):
            request = streams_pb2.BatchAppendReq(
                correlation_id=shared_pb2.UUID(string=f"{number:032x}"), is_final=True
            )
            request.options.stream_identifier.CopyFrom(identifier(b"s-%d" % (number % 3)))
            request.options.any.SetInParent()
            message = request.proposed_messages.add(data=b"{}", id=request.correlation_id)
            message.metadata.update({"type": "A", "content-type": "application/json"})
            requests.append(request)
        answers = list(stub.BatchAppend(iter(requests), timeout=SECONDS, metadata=basic("bob")))
        refused = [answer for answer in answers if answer.WhichOneof("result") == "error"]
        assert len(answers) == 6
        assert {answer.stream_identifier.stream_name for answer in refused} == {b"s-2"}
        assert all(a.error.details.Is(shared_pb2.AccessDenied.DESCRIPTOR) for a in refused)
        assert [store.revision(f"s-{number}") for number in range(3)] == [1, 1, -1]

    def test_are_denied_to_the_python_client(self, server: Secured, store: SqliteStore) -> None:
        describe(store, "s-1", w="desk")
        batch = [new(), new()]
        with pytest.raises(AccessDeniedError):
            server.client("bob").append_to_stream("s-1", current_version=ANY, events=batch)
        server.client("ada").append_to_stream("s-1", current_version=ANY, events=batch)

    def test_of_nobody_end_the_call(self, server: Secured) -> None:
        stub = streams_pb2_grpc.StreamsStub(server.channel())
        request = streams_pb2.BatchAppendReq(is_final=True)
        request.options.stream_identifier.CopyFrom(identifier())
        request.options.any.SetInParent()
        call = stub.BatchAppend(iter([request]), timeout=SECONDS, metadata=basic("ada", "no"))
        assert refusal(lambda: list(call)) == (StatusCode.UNAUTHENTICATED, "Invalid credentials")


class TestCredentials:
    @pytest.fixture
    def streams(self, server: Secured) -> streams_pb2_grpc.StreamsStub:
        return streams_pb2_grpc.StreamsStub(server.channel())

    @pytest.mark.parametrize(
        "metadata",
        [
            basic("ada", "wrong"),
            basic("ada", ""),
            basic("nobody"),
            basic("Ada"),
            basic("eve"),
            basic("admin", "adminadmin\0"),
            (("authorization", "Basic"),),
            (("authorization", "Basic !!!"),),
            (("authorization", "Basic YWRh"),),
            (("authorization", "Basic " + "QUJD" * 1500),),
            (("authorization", "Bearer " + basic("ada")[0][1][6:]),),
            (("authorization", ""),),
            basic("ada") + basic("ada"),
        ],
    )
    def test_that_are_nobodys(
        self, streams: streams_pb2_grpc.StreamsStub, metadata: tuple[tuple[str, str], ...]
    ) -> None:
        def append() -> object:
            sent = iter([options(), proposed()])
            return streams.Append(sent, timeout=SECONDS, metadata=metadata)

        def read() -> object:
            request = streams_pb2.ReadReq(options=read_options())
            return list(streams.Read(request, timeout=SECONDS, metadata=metadata))

        for call in (append, read, append):
            assert refusal(call) == (StatusCode.UNAUTHENTICATED, "Invalid credentials")

    def test_that_are_huge_end_one_call_only(
        self, streams: streams_pb2_grpc.StreamsStub, server: Secured
    ) -> None:
        huge = (("authorization", "Basic " + "QUJD" * 100_000),)
        code, _ = refusal(lambda: streams.Append(iter([options()]), timeout=SECONDS, metadata=huge))
        assert code in (StatusCode.RESOURCE_EXHAUSTED, StatusCode.UNAVAILABLE, StatusCode.INTERNAL)
        sent = iter([options(), proposed()])
        assert streams.Append(sent, timeout=SECONDS, metadata=basic("ada")).HasField("success")

    def test_can_differ_from_call_to_call(self, server: Secured, store: SqliteStore) -> None:
        describe(store, "s-1", w="desk")
        client = server.client("bob")
        assert denied(lambda: ACTS["w"](client))
        ada = client.construct_call_credentials("ada", "adaada")
        client.append_event("s-1", current_version=ANY, event=new(), credentials=ada)
        assert denied(lambda: ACTS["w"](client))

    def test_that_are_not_given_open_nothing(
        self, streams: streams_pb2_grpc.StreamsStub, server: Secured
    ) -> None:
        call = lambda: streams.Append(iter([options(), proposed()]), timeout=SECONDS)  # noqa: E731
        assert refusal(call) == (StatusCode.PERMISSION_DENIED, "Access Denied")

    def test_that_are_not_given_open_what_is_open_to_all(
        self, store: SqliteStore, tmp_path: Path
    ) -> None:
        describe(store, "s-2", w="desk")
        with secured(store, tmp_path, anonymous=True) as server:
            streams = streams_pb2_grpc.StreamsStub(server.channel())
            sent = iter([options(), proposed()])
            assert streams.Append(sent, timeout=SECONDS).HasField("success")
            for name in (b"s-2", b"$s"):
                sent = iter([options(name), proposed()])
                call = lambda sent=sent: streams.Append(sent, timeout=SECONDS)  # noqa: E731
                assert refusal(call) == (StatusCode.PERMISSION_DENIED, "Access Denied")

    def test_count_as_the_users_are_now(self, server: Secured) -> None:
        bob = server.client("bob")
        bob.append_event("s-1", current_version=ANY, event=new())
        server.users.change(lambda users: users.removed("bob"))
        with pytest.raises(EventStoreDBClientException, match="Invalid credentials"):
            bob.append_event("s-1", current_version=ANY, event=new())
        server.users.change(lambda users: users.added(person("bob", ADMINS)))
        assert not denied(lambda: bob.append_event("$s", current_version=ANY, event=new()))

    def test_that_are_wrong_hold_nobody_else_up(self, server: Secured) -> None:
        server.users.change(lambda users: users.added(person("slow", cost=SLOW)))
        ada = server.client("ada")
        ada.append_event("s-1", current_version=ANY, event=new())
        flooding = [streams_pb2_grpc.StreamsStub(server.channel()) for _ in range(3)]

        def attempt(number: int) -> StatusCode:
            sent, metadata = iter([options(), proposed()]), basic("slow", f"guess {number}")
            stub = flooding[number % len(flooding)]
            return refusal(lambda: stub.Append(sent, timeout=SECONDS, metadata=metadata))[0]

        with ThreadPoolExecutor(30) as threads:
            attempts = [threads.submit(attempt, number) for number in range(100)]
            assert server.client("bob").append_event("s-1", current_version=ANY, event=new())
            while not all(one.done() for one in attempts):
                ada.append_event("s-1", current_version=ANY, event=new())
        told = {one.result() for one in attempts}
        assert told <= {StatusCode.UNAUTHENTICATED, StatusCode.RESOURCE_EXHAUSTED}
        assert server.client("slow").append_event("s-1", current_version=ANY, event=new())

    def test_that_come_all_at_once_are_checked_once(self, server: Secured) -> None:
        server.users.change(lambda users: users.added(person("slow", cost=SLOW)))
        streams = streams_pb2_grpc.StreamsStub(server.channel())

        def append(_number: int) -> bool:
            sent = iter([options(), proposed()])
            answer = streams.Append(sent, timeout=SECONDS, metadata=basic("slow"))
            return answer.HasField("success")

        with ThreadPoolExecutor(40) as threads:
            assert all(threads.map(append, range(40)))


def test_a_server_that_stops_lets_in_whose_call_has_begun(
    store: SqliteStore, tmp_path: Path
) -> None:
    users = directory_of(tmp_path / "users.json", person("admin", ADMINS))
    answer = asyncio.run(_stopped(store, Serving("localhost", 0, access=Access(users))))
    assert answer.HasField("success")


async def _stopped(store: SqliteStore, serving: Serving) -> streams_pb2.AppendResp:
    """The answer to an append that ends when the server has begun to stop."""
    stopping = asyncio.Event()

    async def requests() -> AsyncIterator[streams_pb2.AppendReq]:
        yield options()
        await stopping.wait()
        yield proposed()

    async with AsyncExitStack() as running:
        port = await running.enter_async_context(serve(store, serving))
        async with grpc.aio.insecure_channel(f"localhost:{port}") as channel:
            streams = streams_pb2_grpc.StreamsStub(channel)
            call = streams.Append(requests(), timeout=SECONDS, metadata=basic("admin"))
            await call.wait_for_connection()
            with pytest.raises(grpc.aio.AioRpcError):
                await streams.Delete(streams_pb2.DeleteReq(), timeout=SECONDS)
            end = asyncio.create_task(running.aclose())
            await _refused(port)
            stopping.set()
            answer = await call
            await end
    return answer


async def _refused(port: int) -> None:
    """Wait until nobody listens there."""
    with suppress(ConnectionError):
        while True:
            _, writer = await asyncio.open_connection("localhost", port)
            writer.close()


class TestCertificates:
    @pytest.fixture
    def certified(self, store: SqliteStore, tmp_path: Path) -> Iterator[Secured]:
        describe(store, "s-1", w="desk")
        with secured(store, tmp_path, certified=True) as running:
            yield running

    @staticmethod
    def append(
        channel: grpc.Channel, metadata: tuple[tuple[str, str], ...] = ()
    ) -> streams_pb2.AppendResp:
        sent = iter([options(), proposed()])
        stub = streams_pb2_grpc.StreamsStub(channel)
        return stub.Append(sent, timeout=SECONDS, metadata=metadata)

    def test_name_the_user(self, certified: Secured) -> None:
        ada, bob = (certified.channel(certified.authority.issue(name)) for name in ("ada", "bob"))
        assert self.append(ada).HasField("success")
        assert refusal(lambda: self.append(bob))[0] is StatusCode.PERMISSION_DENIED

    def test_yield_to_credentials(self, certified: Secured) -> None:
        bob = certified.channel(certified.authority.issue("bob"))
        assert self.append(bob, basic("ada")).HasField("success")
        assert refusal(lambda: self.append(bob, basic("ada", "no")))[0] is (
            StatusCode.UNAUTHENTICATED
        )

    @pytest.mark.parametrize("name", ["nobody", "eve", "$admins"])
    def test_of_nobody_are_refused(self, certified: Secured, name: str) -> None:
        channel = certified.channel(certified.authority.issue(name))
        assert refusal(lambda: self.append(channel)) == (
            StatusCode.UNAUTHENTICATED,
            "Invalid credentials",
        )

    def test_of_another_authority_do_not_connect(self, certified: Secured) -> None:
        for pair in (None, Authority().issue("ada")):
            channel = certified.channel(pair)
            assert refusal(lambda c=channel: self.append(c))[0] is StatusCode.UNAVAILABLE
        assert self.append(certified.channel(certified.authority.issue("ada"))).HasField("success")

    def test_are_shown_by_the_python_client(self, certified: Secured, tmp_path: Path) -> None:
        pair = certified.authority.issue("bob")
        files = {"UserCertFile": pair.certificate, "UserKeyFile": pair.key}
        for name, pem in files.items():
            (tmp_path / name).write_bytes(pem)
        chosen = "&".join(f"{name}={tmp_path / name}" for name in files)
        uri = f"esdb://ada:adaada@localhost:{certified.port}?Tls=true&{chosen}"
        with EventStoreDBClient(uri, root_certificates=certified.authority.pem) as client:
            assert client.append_event("s-1", current_version=ANY, event=new())
