"""A served store that asks who calls, over TLS, and clients of it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from esdbclient import EventStoreDBClient

from runtime.store import SqliteStore
from runtime.store.access import ADMINS, OPERATORS, Directory
from runtime.store.wire import Access, Serving
from tests.support.certificates import Authority, Pair
from tests.support.people import directory_of, person
from tests.support.served import served

SECONDS = 20
"""How long an answer is waited for."""


def basic(login: str, password: str | None = None) -> tuple[tuple[str, str], ...]:
    """Call metadata with credentials; a password is the login, twice."""
    text = f"{login}:{login * 2 if password is None else password}"
    return (("authorization", f"Basic {b64encode(text.encode()).decode()}"),)


@dataclass(frozen=True, slots=True)
class Secured:
    """What a test knows of the server."""

    port: int
    store: SqliteStore
    users: Directory
    authority: Authority
    held: ExitStack

    def client(self, login: str, password: str | None = None) -> EventStoreDBClient:
        """KurrentDB's Python client, which signs in with every call."""
        password = login * 2 if password is None else password
        uri = f"esdb://{login}:{password}@localhost:{self.port}?Tls=true"
        opened = EventStoreDBClient(uri, root_certificates=self.authority.pem)
        return self.held.enter_context(opened)

    def channel(self, pair: Pair | None = None) -> grpc.Channel:
        """A connection of its own, with a client's certificate or without."""
        key, certificate = (None, None) if pair is None else (pair.key, pair.certificate)
        credentials = grpc.ssl_channel_credentials(self.authority.pem, key, certificate)
        options = (("grpc.use_local_subchannel_pool", 1),)
        opened = grpc.secure_channel(f"localhost:{self.port}", credentials, options)
        return self.held.enter_context(opened)


@contextmanager
def secured(store: SqliteStore, folder: Path, **changes: Any) -> Iterator[Secured]:
    """Serve `store` to admin, ops, ada (in desk), bob, and to eve, who is disabled."""
    authority = Authority()
    pair = authority.issue("localhost")
    people = [
        person("admin", ADMINS),
        person("ops", OPERATORS),
        person("ada", "desk"),
        person("bob"),
        person("eve", ADMINS, disabled=True),
    ]
    users = directory_of(folder / "users.json", *people)
    access = Access(users, anonymous=changes.pop("anonymous", False))
    if changes.pop("certified", False):
        changes["client_authority"] = authority.pem
    serving = Serving(
        "localhost", 0, certificate=pair.certificate, key=pair.key, access=access, **changes
    )
    with ExitStack() as held, served(store, serving) as port:
        yield Secured(port, store, users, authority, held)
