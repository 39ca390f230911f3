"""certificates.sh makes what KurrentDB, Kafka and RabbitMQ take, and keeps it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from runtime.errors import StoreUnreachable
from runtime.jobs.config import load_config
from runtime.store import SqliteStore
from runtime.store.kurrent import KurrentStore
from runtime.store.wire import Serving
from tests.clusters.compose import DATABASES, NODES, effective, hosts, lasting
from tests.clusters.manifests import CONFIGS
from tests.store.samples import ANY, event
from tests.support.served import served

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")

NAMES = x509.SubjectAlternativeName
PEM_KEY = b"-----BEGIN PRIVATE KEY-----"


def make(directory: Path, *wanted: str) -> str:
    """Run the script; gives what it said. Raises `CalledProcessError`."""
    command = ["sh", str(CONFIGS / "certificates.sh"), str(directory), *wanted]
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def common_name(certificate: x509.Certificate) -> str:
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(name.value)


def ending(certificate: x509.Certificate, left: timedelta, authority: RSAPrivateKey) -> bytes:
    """A certificate as it is when so much time is left of it (PEM)."""
    end = datetime.now(UTC) + left
    builder = x509.CertificateBuilder(
        certificate.issuer,
        certificate.subject,
        certificate.public_key(),
        certificate.serial_number,
        end - timedelta(days=825),
        end,
        list(certificate.extensions),
    )
    return builder.sign(authority, SHA256()).public_bytes(Encoding.PEM)


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificates of compose.yaml, without its users: those are not on this machine."""
    directory = tmp_path_factory.mktemp("cluster") / "certs"
    make(directory, *hosts())
    return directory


@pytest.mark.parametrize("name", lasting())
def test_the_authority_answers_for_each_host(certs: Path, name: str) -> None:
    certificate = read(certs / name / "tls.crt")
    certificate.verify_directly_issued_by(read(certs / "ca" / "ca.crt"))
    assert certificate.not_valid_before_utc < certificate.not_valid_after_utc


@pytest.mark.parametrize("name", lasting())
def test_a_certificate_is_for_servers_and_clients(certs: Path, name: str) -> None:
    extensions = read(certs / name / "tls.crt").extensions
    usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usages) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.key_encipherment
    assert not usage.key_cert_sign
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


@pytest.mark.parametrize("name", lasting())
def test_a_certificate_has_the_names_its_host_is_reached_by(certs: Path, name: str) -> None:
    names = read(certs / name / "tls.crt").extensions.get_extension_for_class(NAMES).value
    wanted = {name, "localhost"}
    if name in DATABASES:
        node = effective(name)
        wanted |= {node["NodeHostAdvertiseAs"], node["AdvertiseHostToClientAs"]}
        wanted |= {node.get("ReplicationHostAdvertiseAs", name)}
    assert set(names.get_values_for_type(x509.DNSName)) == wanted


def test_nodes_of_a_cluster_share_a_common_name_that_no_other_service_has(certs: Path) -> None:
    names = {name: common_name(read(certs / name / "tls.crt")) for name in lasting()}
    assert {names[node] for node in NODES} == {"kurrentdb"}
    assert {name for name in names if names[name] == "kurrentdb"} == set(DATABASES)


@pytest.mark.parametrize("name", lasting())
def test_a_key_is_its_hosts_and_nobody_else_can_read_it(certs: Path, name: str) -> None:
    key, both = certs / name / "tls.key", certs / name / "tls.pem"
    certificate = certs / name / "tls.crt"
    assert key.read_bytes().startswith(PEM_KEY)
    private = load_pem_private_key(key.read_bytes(), None)
    assert private.public_key() == read(certificate).public_key()
    assert both.read_bytes() == key.read_bytes() + certificate.read_bytes()
    for path, mode in ((key, 0o600), (both, 0o600), (certificate, 0o644), (key.parent, 0o755)):
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_what_is_trusted_is_apart_from_what_signs(certs: Path) -> None:
    assert [path.name for path in (certs / "ca").iterdir()] == ["ca.crt"]
    assert stat.S_IMODE((certs / "authority.key").stat().st_mode) == 0o600
    authority = read(certs / "ca" / "ca.crt").extensions
    assert authority.get_extension_for_class(x509.BasicConstraints).value.ca is True


def test_keys_are_handed_to_the_user_that_is_named(tmp_path: Path) -> None:
    make(tmp_path, f"kafka:{os.getuid()}")
    found = {path.name: path.stat().st_uid for path in (tmp_path / "kafka").iterdir()}
    assert found == dict.fromkeys(["tls.crt", "tls.key", "tls.pem"], os.getuid())


def test_hosts_of_a_domain_share_a_common_name(tmp_path: Path) -> None:
    make(tmp_path, "db-1.site.example", "db-2.site.example")
    found = [read(path) for path in sorted(tmp_path.glob("db-*/tls.crt"))]
    assert [common_name(certificate) for certificate in found] == ["db", "db"]


def test_certificates_are_kept_until_they_must_be_made_again(tmp_path: Path) -> None:
    make(tmp_path, "kafka", "rabbitmq")
    first = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert make(tmp_path, "kafka", "rabbitmq") == ""
    assert {path: path.read_bytes() for path in first} == first
    (tmp_path / "kafka" / "tls.pem").unlink()
    assert make(tmp_path, "kafka", "rabbitmq") == f"made {tmp_path}/kafka/tls.crt\n"
    (tmp_path / "authority.key").unlink()
    assert make(tmp_path, "kafka", "rabbitmq").count("made") == 2
    for name in ("kafka", "rabbitmq"):
        authority = read(tmp_path / "ca" / "ca.crt")
        read(tmp_path / name / "tls.crt").verify_directly_issued_by(authority)


def test_a_certificate_near_its_end_is_made_again(tmp_path: Path) -> None:
    make(tmp_path, "kafka")
    path = tmp_path / "kafka" / "tls.crt"
    authority = load_pem_private_key((tmp_path / "authority.key").read_bytes(), None)
    assert isinstance(authority, RSAPrivateKey)
    path.write_bytes(ending(read(path), timedelta(days=29), authority))
    assert make(tmp_path, "kafka") == f"made {path}\n"
    path.write_bytes(ending(read(path), timedelta(days=31), authority))
    assert make(tmp_path, "kafka") == ""


@pytest.mark.parametrize(
    ("wanted", "told"), [([], "usage: "), (["a,b"], "subjectAltName")], ids=["no host", "no name"]
)
def test_a_wrong_call_is_told(tmp_path: Path, wanted: list[str], told: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        make(tmp_path, *wanted)
    assert told in refused.value.stderr


@pytest.fixture
def port(certs: Path, tmp_path: Path) -> Iterator[int]:
    """A store that is served with the certificate of the single KurrentDB."""
    place = certs / "kurrentdb"
    pair = ((place / "tls.crt").read_bytes(), (place / "tls.key").read_bytes())
    with SqliteStore.open(tmp_path / "served.db") as store:
        serving = Serving("127.0.0.1", 0, None, *pair)
        with served(store, serving) as number:
            yield number


def address(port: int, certs: Path) -> str:
    """The address in the config of a run, but for the port and the place of the certificates."""
    config = load_config(CONFIGS / "aave-v3-daily-kurrentdb.toml")
    told = str(config.store_place).replace(":2113", f":{port}")
    return told.replace("cluster-configs/certs", str(certs))


def test_the_store_of_a_run_trusts_the_authority(certs: Path, port: int) -> None:
    with KurrentStore.open(address(port, certs)) as store:
        sent = event("one")
        store.append("domain-1", ANY, [sent])
        (found,) = store.read_stream("domain-1")
    assert found.event_id == sent.event_id


def test_it_trusts_no_other(port: int, tmp_path: Path) -> None:
    make(tmp_path, "kurrentdb")
    with pytest.raises(StoreUnreachable, match="tlsCaFile"):
        KurrentStore.open(address(port, tmp_path), patience=1.0)
