"""The server: KurrentDB's gRPC services over an embedded store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from esdbclient.protos.Grpc import (
    gossip_pb2,
    gossip_pb2_grpc,
    streams_pb2,
)
from google.protobuf.descriptor import FileDescriptor

from runtime.errors import AddressUnusable
from runtime.store.access import Directory
from runtime.store.sqlite import SqliteStore
from runtime.store.wire import operations, users
from runtime.store.wire.access import Gate, OpenGate
from runtime.store.wire.desk import Desk
from runtime.store.wire.features import features_handler
from runtime.store.wire.gossip import Gossip
from runtime.store.wire.guard import Guard
from runtime.store.wire.shield import Shield
from runtime.store.wire.signin import SignIn
from runtime.store.wire.streams import MAX_APPEND, Streams

MESSAGE_BYTES = 17 * 1024 * 1024
"""The largest message that is taken; clients of KurrentDB have the same limit."""

CLOSING_SECONDS = 1.0
"""How long calls may go on when the server is stopped."""

MAX_CALLS = 10_000
"""Calls that may go on at once, subscriptions among them; further ones are refused."""

KEEPALIVE_MS = 20_000
"""How long a connection may be silent until the client is asked whether it is still there, and
how long it may take to answer. Clients may ask as often as they like: they do every 10 s."""

_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_ping_strikes", 0),
)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use a served store: its users, and whether others may do what is open to all."""

    users: Directory
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class Serving:
    """How a store is served: the address, the certificate and its key (PEM), limits, access.

    `port` 0 takes a free one. `advertised` is the host that clients are told to reach.
    Without a certificate the connection is not encrypted. With the certificates of
    `client_authority` (PEM) every client must show one that they have signed. Without
    `access` everybody may do everything.
    """

    host: str = "127.0.0.1"
    port: int = 2113
    advertised: str | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    client_authority: bytes | None = None
    access: Access | None = None
    max_append: int = MAX_APPEND


@asynccontextmanager
async def serve(
    store: SqliteStore, serving: Serving, stop: asyncio.Event | None = None
) -> AsyncIterator[int]:
    """Serve `store` inside the block; gives the port.

    `stop` is set when an operator asks for the end of the server; without it nobody can.
    Raises `AddressUnusable` where the address cannot be listened on, or the certificate
    cannot be used.
    """
    server = grpc.aio.server(
        interceptors=(Shield(),), options=_OPTIONS, maximum_concurrent_rpcs=MAX_CALLS
    )
    desk = Desk(store)
    held = ExitStack()
    try:
        port = _listen(server, serving)
        gate, managing = _guarded(desk, serving.access, held)
        operating = {} if stop is None else {"Shutdown": operations.shutdown_by(stop)}
        streams = Streams(desk, gate, serving.max_append)
        gossip = Gossip(serving.advertised or serving.host, port)
        gossip_pb2_grpc.add_GossipServicer_to_server(gossip, server)  # type: ignore[no-untyped-call]
        offered = _methods() | {operations.SERVICE: [*operating]}
        if serving.access is not None:
            offered[users.SERVICE] = [*managing]
        server.add_generic_rpc_handlers(
            (
                streams.handler(),
                operations.operations_handler(gate, operating),
                grpc.method_handlers_generic_handler(users.SERVICE, managing),
                features_handler(offered),
            )
        )
        await server.start()
        yield port
    finally:
        await server.stop(CLOSING_SECONDS)
        held.close()
        desk.close()


def _guarded(
    desk: Desk, access: Access | None, held: ExitStack
) -> tuple[Gate, dict[str, grpc.RpcMethodHandler[Any, Any]]]:
    """What lets callers in, and the methods that manage users."""
    if access is None:
        return OpenGate(), users.unmanaged()
    sign_in = SignIn(access.users)
    held.callback(sign_in.close)
    managing = users.Management(desk, access.users, sign_in)
    return Guard(desk, sign_in, anonymous=access.anonymous), managing.methods()


def _listen(server: grpc.aio.Server, serving: Serving) -> int:
    address = f"{serving.host}:{serving.port}"
    try:
        if serving.certificate is None or serving.key is None:
            return server.add_insecure_port(address)
        pairs = [(serving.key, serving.certificate)]
        authority = serving.client_authority
        credentials = grpc.ssl_server_credentials(pairs, authority, authority is not None)
        return server.add_secure_port(address, credentials)
    except RuntimeError:
        pair = ", and that certificate and key belong together" if serving.certificate else ""
        told = f"{address} cannot be listened on"
        raise AddressUnusable(f"{told}: see that it is free and of this machine{pair}") from None


def _methods() -> dict[str, list[str]]:
    files: tuple[FileDescriptor, ...] = (streams_pb2.DESCRIPTOR, gossip_pb2.DESCRIPTOR)
    services = [service for file in files for service in file.services_by_name.values()]
    return {each.full_name: [method.name for method in each.methods] for each in services}
