"""The server: KurrentDB's gRPC services over an embedded store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc

from runtime.errors import AddressUnusable
from runtime.store.sqlite import SqliteStore
from runtime.store.wire.desk import Desk
from runtime.store.wire.services import add_services
from runtime.store.wire.serving import Serving
from runtime.store.wire.shield import Shield

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
    async with AsyncExitStack() as held, _stopping(server):
        held.callback(desk.close)
        port = _listen(server, serving)
        await add_services(server, desk, serving, port, stop, held)
        await server.start()
        yield port


@asynccontextmanager
async def _stopping(server: grpc.aio.Server) -> AsyncIterator[None]:
    """Stop the server behind the block: what its last calls use must outlast them."""
    try:
        yield
    finally:
        await server.stop(CLOSING_SECONDS)


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
