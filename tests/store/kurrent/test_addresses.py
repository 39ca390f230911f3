"""What is typed as the address of a store and cannot be one, or where nobody answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from runtime.errors import AddressUnusable, StoreForbidden, StoreUnreachable
from runtime.store import SqliteStore, open_store, shown, typed
from runtime.store.kurrent import KurrentStore
from runtime.store.wire import Serving
from tests.store.wire.secured import secured
from tests.support.served import served

PLAIN = "tls=false"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Where a store is served in plain text."""
    with SqliteStore.open(tmp_path / "served.db") as store, served(store, Serving(port=0)) as at:
        yield at


@pytest.fixture
def dead() -> Iterator[int]:
    """A port at which nobody listens, and that nobody else takes."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("esdb://", "names no host"),
        ("esdb://u:hidden@?tls=false", "names no host"),
        ("esdb://[::1:2113?tls=false", "Invalid IPv6 URL"),
        ("esdb://db:port?tls=false", "'db:port' is no host"),
        ("esdb://db:65536?tls=false", "'db:65536' is no host"),
        ("esdb://a:1,b:x?tls=false", "'b:x' is no host"),
        ("esdb://db:2113", "esdb://db:2113 is reached over TLS and needs a user"),
        ("esdb://db?tls=perhaps", "tls is 'perhaps'"),
        ("esdb://db?tls=false&TLS=false", "tls is given twice"),
        ("esdb://db?tls=false&nodePreference=best", "nodePreference is 'best'"),
        ("esdb://db?tls=false&defaultDeadline=-5", "defaultDeadline is '-5'"),
        ("esdb://db?tls=false&defaultDeadline=0", "defaultDeadline is '0'"),
        ("esdb://db?tls=false&defaultDeadline=soon", "defaultDeadline is 'soon'"),
        ("esdb://db?tls=false&maxDiscoverAttempts=0", "maxDiscoverAttempts is '0'"),
        ("esdb://db?tls=false&deadline=5", "unknown option 'deadline'"),
        ("esdb+discover://u:hidden@a:1,b:2?tls=false", "takes one name"),
        ("esdb://u:hid/den@db:2113?tls=false", "%2F"),
        ("esdb://u:hid@den@db:2113?tls=false", "%40"),
        ("kurrentdb://u:hidden@db:2113", "kurrentdb://db:2113 is no address of a store"),
        ("http://db:2113", "http://db:2113 is no address of a store"),
        ("esdb://u:hidden@db?tlsCaFile=gone.crt", "cannot read gone.crt"),
    ],
)
def test_what_is_no_address_is_told_at_once_and_no_password(address: str, words: str) -> None:
    with pytest.raises(AddressUnusable) as refused:
        open_store(address)
    said = str(refused.value)
    assert words in said
    assert "hid" not in said
    assert "den@" not in said
    assert "hid" not in shown(address)


@pytest.mark.parametrize("options", ["defaultDeadline=5", "nodePreference=follower", "TLS=False"])
def test_options_of_the_client_are_taken(port: int, options: str) -> None:
    plain = "" if options.startswith("TLS") else f"&{PLAIN}"
    with closing(open_store(f"esdb://localhost:{port}?{options}{plain}")) as store:
        assert list(store.read_all()) == []


@pytest.mark.parametrize("order", ["{dead},{port}", "{port},{dead}"])
@pytest.mark.parametrize("writer", [False, True])
def test_one_node_of_several_may_be_dead(port: int, dead: int, order: str, *, writer: bool) -> None:
    hosts = order.format(dead=f"127.0.0.1:{dead}", port=f"127.0.0.1:{port}")
    with closing(open_store(f"esdb://{hosts}?{PLAIN}", writer=writer)) as store:
        assert store.end() == -1


@pytest.mark.parametrize(
    "address",
    [
        "esdb://127.0.0.1:{dead},localhost:{dead}",
        "esdb+discover://127.0.0.1:{dead}",
        "esdb+discover://no.such.host.invalid:2113",
    ],
)
def test_a_cluster_of_which_no_node_answers_is_named(dead: int, address: str) -> None:
    place = address.format(dead=dead)
    with pytest.raises(StoreUnreachable) as gone:
        KurrentStore.open(f"{place}?{PLAIN}&maxDiscoverAttempts=1", patience=0.3)
    assert str(gone.value).startswith(f"{place} gave no answer")


def test_a_cluster_without_a_follower_is_told_by_the_option(port: int, dead: int) -> None:
    place = f"esdb://127.0.0.1:{port},127.0.0.1:{dead}?{PLAIN}&nodePreference=follower"
    with pytest.raises(StoreUnreachable, match="nodePreference"):
        KurrentStore.open(f"{place}&maxDiscoverAttempts=1", writer=False, patience=0.3)


def test_a_server_of_something_else_is_named() -> None:
    web = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    thread = Thread(target=web.serve_forever)
    thread.start()
    try:
        with pytest.raises(StoreUnreachable, match="see that a KurrentDB is up there"):
            KurrentStore.open(f"esdb://127.0.0.1:{web.server_port}?{PLAIN}", patience=0.5)
    finally:
        web.shutdown()
        thread.join()
        web.server_close()


def test_tls_where_there_is_none(port: int) -> None:
    with pytest.raises(StoreUnreachable, match="answers without TLS: write tls=false"):
        open_store(f"esdb://ada:secret@localhost:{port}")


def test_a_refusal_is_one_line_in_the_servers_words(tmp_path: Path) -> None:
    with SqliteStore.open(tmp_path / "log.db") as embedded, secured(embedded, tmp_path) as server:
        (tmp_path / "ca.crt").write_bytes(server.authority.pem)
        place = f"esdb://admin:wrong@localhost:{server.port}?tlsCaFile={tmp_path / 'ca.crt'}"
        with pytest.raises(
            StoreForbidden, match=r"denies access \(Invalid credentials\)"
        ) as denied:
            open_store(place)
    assert "\n" not in str(denied.value)


def test_an_address_is_typed_again_without_its_password() -> None:
    address = "esdb+discover://ada:secret@db:2113?tlsCaFile=a@b.crt"
    assert typed(address) == "'esdb+discover://ada@db:2113?tlsCaFile=a@b.crt'"
    assert shown(address) == "esdb+discover://db:2113"
