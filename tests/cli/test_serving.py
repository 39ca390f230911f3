from __future__ import annotations

import datetime
import ipaddress
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from esdbclient import EventStoreDBClient, NewEvent, StreamState

from runtime.store import SqliteStore
from tests.cli.conftest import Lucent, told
from tests.cli.going import environment, popen

END_SECONDS = 30


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    found = re.search(r"esdb://\S+?(?=;)", process.stdout.readline())
    assert found is not None
    return found[0]


def certify(directory: Path) -> Path:
    """Make `tls.crt` and `tls.key`, for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    local = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(local), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (directory / "tls.crt").write_bytes(certificate.public_bytes(pem))
    form = serialization.PrivateFormat.PKCS8
    (directory / "tls.key").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return directory / "tls.crt"


@pytest.mark.parametrize("tls", [False, True])
def test_a_store_is_served_until_it_is_interrupted(tmp_path: Path, tls: bool) -> None:
    options: tuple[str, ...] = ()
    if tls:
        certify(tmp_path)
        options = ("--tls-cert", "tls.crt", "--tls-key", "tls.key")
    command = ("store", "serve", "log.db", "--listen", "localhost:0", *options)
    process = popen(tmp_path, environment(tmp_path), *command)
    try:
        uri = address(process)
        assert uri.endswith(f"Tls={str(tls).lower()}")
        uri += f"&TlsCaFile={tmp_path / 'tls.crt'}" if tls else ""
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
        assert f"{listen} cannot be listened on" in complaint_of(tmp_path, "--listen", listen)


def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("-----BEGIN NOTHING-----")
    options = ("--listen", "127.0.0.1:0", "--tls-cert", "bad.pem")
    assert "--tls-key" in complaint_of(tmp_path, *options)
    assert "gone.pem cannot be read" in complaint_of(tmp_path, *options, "--tls-key", "gone.pem")
    assert "belong together" in complaint_of(tmp_path, *options, "--tls-key", "bad.pem")
