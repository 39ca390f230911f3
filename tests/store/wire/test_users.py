"""The management of users, and the operations of a server, as clients call them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from runtime.events import NewEvent, RecordedEvent, named_id
from runtime.store import Expected, Filter, SqliteStore
from runtime.store.access import Directory
from runtime.store.wire.described import user_messages
from runtime.store.wire.features import SERVICE as FEATURES
from tests.store.wire.secured import SECONDS, Secured, basic, secured
from tests.support.waiting import becomes

USERS, OPERATIONS = "event_store.client.users.Users", "event_store.client.operations.Operations"
MESSAGE = user_messages()


@pytest.fixture
def server(store: SqliteStore, tmp_path: Path) -> Iterator[Secured]:
    with secured(store, tmp_path) as running:
        yield running


class Caller:
    """Calls the service of users as somebody."""

    def __init__(self, channel: grpc.Channel, login: str, password: str | None = None) -> None:
        self._channel = channel
        self._metadata = basic(login, password)

    def call(self, method: str, **options: object) -> None:
        request = MESSAGE(f"{method}Req")(options=options)
        answer = self._channel.unary_unary(
            f"/{USERS}/{method}", request_serializer=lambda each: each.SerializeToString()
        )(request, timeout=SECONDS, metadata=self._metadata)
        assert answer == b""

    def details(self, login: str = "") -> list[Any]:
        request = MESSAGE("DetailsReq")(options={"login_name": login})
        answers = self._channel.unary_stream(
            f"/{USERS}/Details",
            request_serializer=lambda each: each.SerializeToString(),
            response_deserializer=MESSAGE("DetailsResp").FromString,
        )(request, timeout=SECONDS, metadata=self._metadata)
        return [answer.user_details for answer in answers]


@pytest.fixture
def caller(server: Secured) -> Callable[..., Caller]:
    channel = server.channel()
    return lambda login, password=None: Caller(channel, login, password)


def refused(call: Callable[[], object]) -> tuple[StatusCode, str | None]:
    """The status of a call, and what it says of its exception."""
    with pytest.raises(grpc.RpcError) as error:
        call()
    failed = error.value
    assert isinstance(failed, grpc.Call)
    trailers = {each.key: each.value for each in failed.trailing_metadata()}
    return failed.code(), trailers.get("exception")


DENIED = (StatusCode.PERMISSION_DENIED, "access-denied")
UNKNOWN = (StatusCode.NOT_FOUND, "user-not-found")
NOBODY = (StatusCode.UNAUTHENTICATED, None)
As = Callable[..., Caller]


class TestUsers:
    def test_are_created_and_kept_in_the_file(
        self, server: Secured, caller: As, tmp_path: Path
    ) -> None:
        caller("admin").call(
            "Create", login_name="new", password="pw", full_name="New One", groups=["desk", "x"]
        )
        [shown] = caller("new", "pw").details("new")
        assert (shown.login_name, shown.full_name) == ("new", "New One")
        assert (list(shown.groups), shown.disabled) == (["desk", "x"], False)
        age = datetime.now(UTC).timestamp() - shown.last_updated.ticks_since_epoch / 10**7
        assert -1 < age < 60
        kept = Directory.open(tmp_path / "users.json").users.get("new")
        assert kept.verifier.verifies("pw")
        assert kept.groups == ("desk", "x")

    def test_are_created_once(self, caller: As) -> None:
        def create(password: str) -> None:
            caller("admin").call("Create", login_name="new", password=password)

        create("pw")
        create("pw")
        assert refused(lambda: create("other")) == (StatusCode.FAILED_PRECONDITION, "user-conflict")

    def test_are_updated(self, caller: As) -> None:
        admin = caller("admin")
        admin.call("Update", login_name="ada", full_name="Ada L.", groups=["$admins"])
        assert [one.full_name for one in caller("ada").details("ada")] == ["Ada L."]
        caller("ada").call("Update", login_name="ada", groups=[])
        assert refused(lambda: caller("ada").details()) == DENIED

    def test_are_disabled_enabled_and_deleted(self, caller: As) -> None:
        admin, bob = caller("admin"), caller("bob")
        assert bob.details("bob")
        admin.call("Disable", login_name="bob")
        assert refused(lambda: bob.details("bob")) == NOBODY
        assert [one.disabled for one in admin.details("bob")] == [True]
        admin.call("Enable", login_name="bob")
        assert bob.details("bob")
        admin.call("Delete", login_name="bob")
        assert refused(lambda: bob.details("bob")) == NOBODY
        assert refused(lambda: admin.details("bob")) == UNKNOWN

    def test_change_their_own_password(self, caller: As) -> None:
        change = {"login_name": "ada", "current_password": "adaada", "new_password": "new"}
        for other in ("bob", "admin"):
            assert refused(lambda o=other: caller(o).call("ChangePassword", **change)) == DENIED
        wrong = {**change, "current_password": "guess"}
        assert refused(lambda: caller("ada").call("ChangePassword", **wrong)) == DENIED
        caller("ada").call("ChangePassword", **change)
        assert refused(lambda: caller("ada").details("ada")) == NOBODY
        assert caller("ada", "new").details("ada")

    def test_are_given_new_passwords_by_administrators(self, caller: As) -> None:
        reset = {"login_name": "ada", "new_password": "new"}
        assert refused(lambda: caller("ada").call("ResetPassword", **reset)) == DENIED
        caller("admin").call("ResetPassword", **reset)
        assert caller("ada", "new").details("ada")

    def test_are_shown_to_administrators_and_each_to_itself(self, caller: As) -> None:
        logins = [one.login_name for one in caller("admin").details()]
        assert logins == ["ada", "admin", "bob", "eve", "ops"]
        assert [one.login_name for one in caller("ada").details("ada")] == ["ada"]
        for login in ("", "bob"):
            assert refused(lambda each=login: caller("ada").details(each)) == DENIED

    @pytest.mark.parametrize("method", ["Create", "Update", "Delete", "Disable", "Enable"])
    @pytest.mark.parametrize("login", ["ada", "ops"])
    def test_are_managed_by_administrators_only(self, caller: As, method: str, login: str) -> None:
        assert refused(lambda: caller(login).call(method, login_name="bob")) == DENIED

    @pytest.mark.parametrize("method", ["Update", "Delete", "Disable", "Enable", "ResetPassword"])
    def test_that_are_not_there(self, caller: As, method: str) -> None:
        assert refused(lambda: caller("admin").call(method, login_name="no")) == UNKNOWN
        assert refused(lambda: caller("admin").call(method)) == UNKNOWN

    @pytest.mark.parametrize(
        "options",
        [
            {"login_name": "", "password": "pw"},
            {"login_name": "a:b", "password": "pw"},
            {"login_name": "$new", "password": "pw"},
            {"login_name": "new", "password": ""},
            {"login_name": "new", "password": "x" * 2_000},
            {"login_name": "new", "password": "pw", "groups": [""]},
            {"login_name": "new", "password": "pw", "groups": ["g"] * 100},
            {"login_name": "new", "password": "pw", "full_name": "x" * 1_000},
        ],
    )
    def test_that_nobody_can_be(self, caller: As, options: dict[str, object]) -> None:
        invalid = (StatusCode.INVALID_ARGUMENT, None)
        assert refused(lambda: caller("admin").call("Create", **options)) == invalid

    def test_are_not_changed_when_the_file_cannot_be(
        self, caller: As, server: Secured, tmp_path: Path
    ) -> None:
        (tmp_path / "users.json").write_text("{")
        delete = lambda: caller("admin").call("Delete", login_name="bob")  # noqa: E731
        assert refused(delete) == (StatusCode.UNAVAILABLE, None)
        assert caller("bob").details("bob")

    def test_travel_in_the_fields_of_the_protocol(self, server: Secured) -> None:
        """The encoding by hand: field 1 holds the options, whose fields are numbered from 1."""
        texts = [(1, b"new"), (2, b"pw"), (3, b"New One"), (4, b"desk"), (4, b"x")]
        options = b"".join(bytes((number << 3 | 2, len(text))) + text for number, text in texts)
        channel = server.channel()
        metadata = basic("admin")
        create = channel.unary_unary(f"/{USERS}/Create")
        create(bytes((10, len(options))) + options, timeout=SECONDS, metadata=metadata)
        details = channel.unary_stream(f"/{USERS}/Details")
        [answer] = details(b"\x0a\x05\x0a\x03new", timeout=SECONDS, metadata=metadata)
        assert answer[2:].startswith(b"\x0a\x03new\x12\x07New One\x1a\x04desk\x1a\x01x\x22")

    @pytest.mark.parametrize("garbage", [b"\xff\xff", b"\x0a\x7f", b"", b"\x0a\x02\x0a\x05"])
    def test_are_not_harmed_by_garbage(self, server: Secured, caller: As, garbage: bytes) -> None:
        channel = server.channel()
        for method in ("Create", "Delete", "ChangePassword", "Details"):
            with pytest.raises(grpc.RpcError):
                channel.unary_unary(f"/{USERS}/{method}")(garbage, timeout=SECONDS)
        assert len(caller("admin").details()) == 5


class TestOperations:
    OFFERED = ("StartScavenge", "RestartPersistentSubscriptions")
    METHODS = ("StopScavenge", "Shutdown", "MergeIndexes", "ResignNode", "SetNodePriority")

    @pytest.mark.parametrize("method", METHODS)
    def test_that_are_not_offered_say_so_to_operators(self, server: Secured, method: str) -> None:
        call = server.channel().unary_unary(f"/{OPERATIONS}/{method}")
        for login in ("ops", "admin"):
            with pytest.raises(grpc.RpcError) as error:
                call(b"", timeout=SECONDS, metadata=basic(login))
            assert error.value.code() is StatusCode.UNIMPLEMENTED
            assert "found" not in error.value.details()
        assert refused(lambda: call(b"", timeout=SECONDS, metadata=basic("ada"))) == DENIED
        assert refused(lambda: call(b"", timeout=SECONDS, metadata=basic("ops", "no"))) == NOBODY

    @pytest.mark.parametrize("method", OFFERED)
    def test_that_are_offered_are_open_to_operators_alone(
        self, server: Secured, method: str
    ) -> None:
        call = server.channel().unary_unary(f"/{OPERATIONS}/{method}")
        call(b"", timeout=SECONDS, metadata=basic("ops"))
        assert refused(lambda: call(b"", timeout=SECONDS, metadata=basic("ada"))) == DENIED
        assert refused(lambda: call(b"", timeout=SECONDS)) == DENIED

    def test_a_scavenge_removes_what_is_hidden(self, server: Secured) -> None:
        many = [NewEvent(named_id(f"e/{number}"), "Seen", b"{}", b"") for number in range(5)]
        server.store.append("s-1", Expected.ANY, many)
        limits = NewEvent(named_id("limits"), "$metadata", b'{"$maxCount":2}', b"")
        server.store.append("$$s-1", Expected.ANY, [limits])
        call = server.channel().unary_unary(f"/{OPERATIONS}/StartScavenge")
        answer = call(b"", timeout=SECONDS, metadata=basic("ops"))
        assert (answer[:2], len(answer)) == (bytes((10, 36)), 40)
        becomes(lambda: [one.revision for one in log(server.store)], [3, 4])


def log(store: SqliteStore) -> list[RecordedEvent]:
    return list(store.read_all(only=Filter(["s-1"])))


def announced(channel: grpc.Channel) -> bytes:
    method = channel.unary_unary(f"/{FEATURES}/GetSupportedMethods")
    answer: bytes = method(b"", timeout=SECONDS)
    return answer


def test_users_are_announced_where_there_are_any(server: Secured, port: int) -> None:
    assert USERS.lower().encode() in announced(server.channel())
    with grpc.insecure_channel(f"localhost:{port}") as open_to_all:
        told = announced(open_to_all)
        assert USERS.lower().encode() not in told
        assert b"startscavenge" in told
        assert b"shutdown" not in told
        with pytest.raises(grpc.RpcError) as error:
            open_to_all.unary_unary(f"/{USERS}/Create")(b"", timeout=SECONDS)
    assert error.value.code() is StatusCode.UNIMPLEMENTED
    assert "without users" in error.value.details()
