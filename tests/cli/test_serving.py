from __future__ import annotations

import re
import signal
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from esdbclient import EventStoreDBClient, NewEvent, StreamState
from esdbclient.exceptions import GrpcError

from runtime.store import SqliteStore
from runtime.store.access import OPERATORS
from tests.cli.conftest import Lucent, told
from tests.cli.going import environment, popen
from tests.store.wire.secured import basic
from tests.support.certificates import certify
from tests.support.people import directory_of, person
from tests.support.waiting import until

END_SECONDS = 30
TLS = ("--tls-cert", "tls.crt", "--tls-key", "tls.key")


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    found = re.search(r"esdb://\S+?(?=;)", process.stdout.readline())
    assert found is not None
    return found[0]


@pytest.mark.parametrize("tls", [False, True])
def test_a_store_is_served_until_it_is_interrupted(tmp_path: Path, tls: bool) -> None:
    options: tuple[str, ...] = ()
    if tls:
        certify(tmp_path)
        options = TLS
    command = ("store", "serve", "log.db", "--listen", "localhost:0", *options)
    process = popen(tmp_path, environment(tmp_path), *command)
    try:
        uri = address(process)
        assert uri.endswith(f"Tls={str(tls).lower()}")
        uri += f"&TlsCaFile={tmp_path / 'ca.crt'}" if tls else ""
        uri = uri.replace("esdb://", "esdb://admin:changeit@") if tls else uri
        with EventStoreDBClient(uri) as client:
            client.append_event("s-1", current_version=StreamState.ANY, event=NewEvent("A", b"{}"))
            assert len(client.get_stream("s-1")) == 1
        process.send_signal(signal.SIGTERM)
        _, complaint = process.communicate(timeout=END_SECONDS)
    finally:
        process.kill()
    assert (process.returncode, complaint) == (0, "")
    with SqliteStore.open(tmp_path / "log.db") as store:
        assert store.revision("s-1") == 0


def test_standard_projections_are_started(tmp_path: Path) -> None:
    options = ("--listen", "localhost:0", "--start-standard-projections")
    process = popen(tmp_path, environment(tmp_path), "store", "serve", "log.db", *options)
    event = NewEvent("A", b"{}")
    try:
        with (
            EventStoreDBClient(address(process)) as client,
            client.subscribe_to_stream("$ce-s", resolve_links=True) as subscription,
        ):
            client.append_event("s-1", current_version=StreamState.ANY, event=event)
            assert next(subscription).id == event.id
        process.send_signal(signal.SIGTERM)
        _, complaint = process.communicate(timeout=END_SECONDS)
    finally:
        process.kill()
    assert (process.returncode, complaint) == (0, "")


def test_an_interrupt_ends_a_subscription(tmp_path: Path) -> None:
    process = popen(
        tmp_path, environment(tmp_path), "store", "serve", "log.db", "--listen", "localhost:0"
    )
    try:
        with EventStoreDBClient(address(process)) as client:
            client.subscribe_to_all()
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=END_SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0


@pytest.mark.parametrize(
    "listen", ["nowhere", ":1", "localhost:", "localhost:x", "localhost:65536"]
)
def test_an_address_that_is_none(lucent: Lucent, listen: str) -> None:
    assert f"{listen!r} is no address" in told(lucent("store", "serve", "a.db", "--listen", listen))
    assert not Path("a.db").exists()


def complaint_of(directory: Path, *options: str) -> str:
    """What the command says, in a process that has not used gRPC before."""
    process = popen(directory, environment(directory), "store", "serve", "a.db", *options)
    _, complaint = process.communicate(timeout=END_SECONDS)
    assert process.returncode == 2
    assert complaint.count("\n") == 1, complaint
    return complaint


def test_an_address_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        complaint = complaint_of(tmp_path, "--listen", listen)
    assert f"{listen} cannot be listened on (Address already in use)" in complaint
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_is_not_known(lucent: Lucent) -> None:
    line = told(lucent("store", "serve", "a.db", "--listen", "no.such.host.invalid:2113"))
    assert "no.such.host.invalid:2113 cannot be listened on" in line
    assert not Path("a.db").exists()


def test_a_certificate_that_is_none(lucent: Lucent, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("-----BEGIN NOTHING-----")
    options = ("--listen", "127.0.0.1:0", "--tls-cert", "bad.pem")
    serve = ("store", "serve", "a.db", *options)
    assert "--tls-key" in told(lucent(*serve))
    assert "gone.pem cannot be read" in told(lucent(*serve, "--tls-key", "gone.pem"))
    assert "bad.pem holds no certificates" in told(lucent(*serve, "--tls-key", "bad.pem"))
    assert not (tmp_path / "a.db").exists()


def test_a_key_that_is_not_the_certificates(lucent: Lucent, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    certify(tmp_path / "other")
    certify(tmp_path)
    secret = load_pem_private_key((tmp_path / "tls.key").read_bytes(), None)
    sealed = secret.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame")
    )
    (tmp_path / "sealed.key").write_bytes(sealed)
    options = ("store", "serve", "a.db", "--listen", "127.0.0.1:0", "--tls-cert", "tls.crt")
    for key, words in (
        ("other/tls.key", "tls.crt and other/tls.key do not belong together"),
        ("sealed.key", "sealed.key is encrypted"),
        ("ca.crt", "ca.crt holds no private key"),
    ):
        assert words in told(lucent(*options, "--tls-key", key))
    assert not (tmp_path / "a.db").exists()


def append(uri: str) -> object:
    with EventStoreDBClient(uri) as client:
        return client.append_event(
            "s-1", current_version=StreamState.ANY, event=NewEvent("A", b"{}")
        )


def test_users_sign_in_are_read_again_and_may_end_the_server(tmp_path: Path) -> None:
    certify(tmp_path)
    users = directory_of(tmp_path / "users.json", person("ada"), person("ops", OPERATORS))
    options = ("--listen", "localhost:0", *TLS, "--users", "users.json")
    command = ("store", "serve", "log.db", *options)
    process = popen(tmp_path, environment(tmp_path), *command)
    try:
        uri = f"{address(process)}&TlsCaFile={tmp_path / 'ca.crt'}"
        assert append(uri.replace("esdb://", "esdb://ada:adaada@"))
        late = uri.replace("esdb://", "esdb://bob:bobbob@")
        with pytest.raises(GrpcError, match="Invalid credentials"):
            append(late)
        users.change(lambda known: known.added(person("bob")))
        process.send_signal(signal.SIGHUP)
        until(lambda: _let_in(late), "the users are not read again")
        credentials = grpc.ssl_channel_credentials((tmp_path / "ca.crt").read_bytes())
        with grpc.secure_channel(urlsplit(uri).netloc, credentials) as channel:
            shutdown = channel.unary_unary("/event_store.client.operations.Operations/Shutdown")
            with pytest.raises(grpc.RpcError, match="Access Denied"):
                shutdown(b"", metadata=basic("ada"), timeout=END_SECONDS)
            assert shutdown(b"", metadata=basic("ops"), timeout=END_SECONDS) == b""
        _, complaint = process.communicate(timeout=END_SECONDS)
    finally:
        process.kill()
    assert (process.returncode, complaint) == (0, "")


def _let_in(uri: str) -> bool:
    try:
        append(uri)
    except GrpcError:
        return False
    return True


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--users", "gone.json"), ["no file of users at", "gone.json", "lucent store users add"]),
        (("--users", "bad.json"), ["bad.json is malformed"]),
        (("--users", "open.json"), ["open.json is open to others (mode 0644)", "chmod 600"]),
        (("--users", "users.json", "--listen", "0.0.0.0:0"), ["0.0.0.0", "--tls-cert"]),
        (("--users", "users.json", "--listen", "example.org:0"), ["example.org", "--tls-cert"]),
        (("--tls-client-ca", "ca.crt"), ["--tls-client-ca needs TLS"]),
        ((*TLS, "--tls-client-ca", "bad.json"), ["bad.json holds no certificates"]),
        ((*TLS, "--tls-client-ca", "gone.crt"), ["gone.crt cannot be read"]),
        (("--allow-anonymous",), ["--allow-anonymous needs --users"]),
    ],
)
def test_access_that_cannot_be_guarded(
    lucent: Lucent, tmp_path: Path, options: tuple[str, ...], words: list[str]
) -> None:
    certify(tmp_path)
    directory_of(tmp_path / "users.json", person("ada"))
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "bad.json").chmod(0o600)
    (tmp_path / "open.json").write_bytes((tmp_path / "users.json").read_bytes())
    (tmp_path / "open.json").chmod(0o644)
    line = told(lucent("store", "serve", "a.db", *options))
    assert all(word in line for word in words), line
    assert not (tmp_path / "a.db").exists()
