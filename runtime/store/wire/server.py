"""The server: KurrentDB's gRPC services over an embedded store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import grpc
from esdbclient.protos.Grpc import (
    gossip_pb2,
    gossip_pb2_grpc,
    projections_pb2,
    projections_pb2_grpc,
    streams_pb2,
    streams_pb2_grpc,
)
from google.protobuf.descriptor import FileDescriptor

from runtime.errors import AddressUnusable
from runtime.store.projections.control import Projections
from runtime.store.projections.engine import Limits
from runtime.store.sqlite import SqliteStore
from runtime.store.wire.access import Gate, OpenGate
from runtime.store.wire.desk import Desk
from runtime.store.wire.features import features_handler
from runtime.store.wire.gossip import Gossip
from runtime.store.wire.projections import ProjectionService
from runtime.store.wire.streams import MAX_APPEND, Streams

MESSAGE_BYTES = 17 * 1024 * 1024
"""The largest message that is taken; clients of KurrentDB have the same limit."""

CLOSING_SECONDS = 1.0
"""How long calls may go on when the server is stopped."""

_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
)


@dataclass(frozen=True, slots=True)
class Serving:
    """How a store is served: the address, the certificate and its key (PEM), limits.

    `port` 0 takes a free one. `advertised` is the host that clients are told to reach.
    Without a certificate the connection is not encrypted. `start_standard_projections`
    enables the store's own projections, for good.
    """

    host: str = "127.0.0.1"
    port: int = 2113
    advertised: str | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    max_append: int = MAX_APPEND
    start_standard_projections: bool = False
    projection_limits: Limits = field(default_factory=Limits)


@asynccontextmanager
async def serve(store: SqliteStore, serving: Serving) -> AsyncIterator[int]:
    """Serve `store` inside the block; gives the port.

    Raises `AddressUnusable` where the address cannot be listened on, or the certificate
    cannot be used.
    """
    server = grpc.aio.server(options=_OPTIONS)
    desk = Desk(store)
    projections = Projections(store, serving.projection_limits)
    try:
        port = _listen(server, serving)
        gate: Gate = OpenGate()
        streams = Streams(desk, gate, serving.max_append)
        streams_pb2_grpc.add_StreamsServicer_to_server(streams, server)  # type: ignore[no-untyped-call]
        await desk.call(
            partial(projections.open, start_standard=serving.start_standard_projections)
        )
        service = ProjectionService(desk, gate, projections)
        projections_pb2_grpc.add_ProjectionsServicer_to_server(service, server)  # type: ignore[no-untyped-call]
        gossip = Gossip(serving.advertised or serving.host, port)
        gossip_pb2_grpc.add_GossipServicer_to_server(gossip, server)  # type: ignore[no-untyped-call]
        server.add_generic_rpc_handlers((features_handler(_methods()),))
        await server.start()
        yield port
    finally:
        await server.stop(CLOSING_SECONDS)
        await desk.call(projections.close)
        desk.close()


def _listen(server: grpc.aio.Server, serving: Serving) -> int:
    address = f"{serving.host}:{serving.port}"
    try:
        if serving.certificate is None or serving.key is None:
            return server.add_insecure_port(address)
        pairs = [(serving.key, serving.certificate)]
        return server.add_secure_port(address, grpc.ssl_server_credentials(pairs))
    except RuntimeError:
        pair = ", and that certificate and key belong together" if serving.certificate else ""
        told = f"{address} cannot be listened on"
        raise AddressUnusable(f"{told}: see that it is free and of this machine{pair}") from None


def _methods() -> dict[str, list[str]]:
    files: tuple[FileDescriptor, ...] = (
        streams_pb2.DESCRIPTOR,
        projections_pb2.DESCRIPTOR,
        gossip_pb2.DESCRIPTOR,
    )
    services = [service for file in files for service in file.services_by_name.values()]
    return {each.full_name: [method.name for method in each.methods] for each in services}
