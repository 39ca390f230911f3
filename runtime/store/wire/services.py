"""The services of a server: what is offered, and who lets callers in."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, TypeAlias

import grpc

from runtime.store.persistent import Subsystem
from runtime.store.projections import Projections
from runtime.store.protocol import (
    add_gossip,
    add_persistent,
    add_projections,
    gossip_pb2,
    persistent_pb2,
    projections_pb2,
    streams_pb2,
)
from runtime.store.wire import operations, users
from runtime.store.wire.desk import Desk
from runtime.store.wire.features import features_handler
from runtime.store.wire.gate import Gate, OpenGate
from runtime.store.wire.gossip import Gossip
from runtime.store.wire.guard import Guard
from runtime.store.wire.persistent import PersistentSubscriptions
from runtime.store.wire.projections import ProjectionService
from runtime.store.wire.scavenging import Scavenging
from runtime.store.wire.serving import Access, Serving
from runtime.store.wire.signin import SignIn
from runtime.store.wire.streams import Streams

Methods: TypeAlias = "dict[str, grpc.RpcMethodHandler[Any, Any]]"
_FILES = (streams_pb2, gossip_pb2, persistent_pb2, projections_pb2)


async def add_services(
    server: grpc.aio.Server,
    desk: Desk,
    serving: Serving,
    port: int,
    stop: asyncio.Event | None,
    held: AsyncExitStack,
) -> None:
    """Have `server` offer its services, at `port`; what they hold is closed with `held`."""
    gate, managing = _guarded(desk, serving.access, held)
    subsystem = await Subsystem.open(desk)
    held.push_async_callback(subsystem.close)
    projections = Projections(desk.store, serving.projection_limits)
    start_standard = serving.start_standard_projections
    held.push_async_callback(desk.call, projections.close)
    await desk.call(partial(projections.open, start_standard=start_standard))
    operating = _operating(desk, subsystem, stop, held)
    offered = _methods() | {operations.SERVICE: [*operating]}
    if serving.access is not None:
        offered[users.SERVICE] = [*managing]
    server.add_generic_rpc_handlers(
        (
            Streams(desk, gate, serving.max_append).handler(),
            operations.operations_handler(gate, operating),
            grpc.method_handlers_generic_handler(users.SERVICE, managing),
            features_handler(offered),
        )
    )
    add_gossip(Gossip(serving.advertised or serving.host, port), server)
    add_persistent(PersistentSubscriptions(subsystem, gate), server)
    add_projections(ProjectionService(desk, gate, projections), server)


def _operating(
    desk: Desk, subsystem: Subsystem, stop: asyncio.Event | None, held: AsyncExitStack
) -> dict[str, operations.Operation]:
    """What operators may ask for."""
    scavenging = Scavenging(desk)
    held.push_async_callback(scavenging.close)
    ending = {} if stop is None else {"Shutdown": operations.shutdown_by(stop)}
    return ending | {
        "StartScavenge": scavenging.start,
        "RestartPersistentSubscriptions": operations.restart_of(subsystem),
    }


def _guarded(desk: Desk, access: Access | None, held: AsyncExitStack) -> tuple[Gate, Methods]:
    """What lets callers in, and the methods that manage users."""
    if access is None:
        return OpenGate(), users.unmanaged()
    sign_in = SignIn(access.users)
    held.callback(sign_in.close)
    managing = users.Management(desk, access.users, sign_in)
    return Guard(desk, sign_in, anonymous=access.anonymous), managing.methods()


def _methods() -> dict[str, list[str]]:
    services = [one for file in _FILES for one in file.DESCRIPTOR.services_by_name.values()]
    return {each.full_name: [method.name for method in each.methods] for each in services}
