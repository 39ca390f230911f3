"""Two nodes that serve one store and fail in turn: one leads at a time, answers get lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc

from runtime.store import SqliteStore
from runtime.store.wire.desk import Desk
from runtime.store.wire.gate import OpenGate
from runtime.store.wire.streams import Streams
from tests.support.beside import beside

SILENT_SECONDS = 60
Call = Callable[[Any, Any], AsyncIterator[Any]]


@dataclass
class Faults:
    """What becomes of the calls: each fails with probability `rate`, until `left` have failed.

    `kinds` are those that happen; `met` counts them.
    """

    rng: random.Random
    rate: float
    left: int
    kinds: tuple[str, ...] = ("refused", "too slow", "broken", "lost", "leader")
    met: Counter[str] = field(default_factory=Counter)
    leader: int = 0
    ports: list[int] = field(default_factory=list)

    def next(self, kinds: tuple[str, ...]) -> str | None:
        """The fault of the next call, if it is to have one."""
        kinds = tuple(kind for kind in kinds if kind in self.kinds)
        if not kinds or self.left <= 0 or self.rng.random() >= self.rate:
            return None
        self.left -= 1
        kind = self.rng.choice(kinds)
        self.met[kind] += 1
        return kind


_READ = ("refused", "too slow", "broken", "leader", "silent")
_APPEND = ("refused", "lost", "broken", "leader", "silent")


class _Node(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Puts the faults between a node's services and its clients."""

    def __init__(self, number: int, faults: Faults) -> None:
        self._number = number
        self._faults = faults

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        handler = await continuation(details)
        if handler is None or not handler.response_streaming:
            return handler
        inner = handler.stream_stream if handler.request_streaming else handler.unary_stream
        make = (
            grpc.stream_stream_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_stream_rpc_method_handler
        )
        kinds = _APPEND if handler.request_streaming else _READ
        act = partial(self._answered, inner, kinds)
        return make(act, handler.request_deserializer, handler.response_serializer)

    async def _answered(
        self, inner: Call, kinds: tuple[str, ...], request: Any, context: Any
    ) -> AsyncIterator[Any]:
        faults = self._faults
        fault = faults.next(kinds)
        if fault == "leader":
            faults.leader = 1 - faults.leader
        if faults.leader != self._number:
            await _not_leader(context, faults.ports[faults.leader])
        if fault == "refused":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Server Is Not Ready")
        if fault == "silent":
            await asyncio.sleep(SILENT_SECONDS)
        told = 0
        async for answer in inner(request, context):
            told += 1
            if fault == "broken" and told > 2:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
            if fault == "too slow" and told > 2:
                await context.abort(grpc.StatusCode.ABORTED, "Consumer too slow")
            if fault != "lost":
                yield answer
        if fault == "lost":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Connection reset by peer")


async def _not_leader(context: Any, port: int) -> None:
    trailers = (
        ("exception", "not-leader"),
        ("leader-endpoint-host", "localhost"),
        ("leader-endpoint-port", str(port)),
    )
    await context.abort(grpc.StatusCode.NOT_FOUND, "Leader info available", trailers)


def faulty(store: SqliteStore, faults: Faults) -> AbstractContextManager[str]:
    """Serve `store` by two nodes inside the block; gives the address of the first."""
    return beside(lambda: _nodes(store, faults))


@asynccontextmanager
async def _nodes(store: SqliteStore, faults: Faults) -> AsyncIterator[str]:
    desk = Desk(store)
    servers = []
    for number in range(2):
        server = grpc.aio.server(interceptors=(_Node(number, faults),))
        server.add_generic_rpc_handlers((Streams(desk, OpenGate()).handler(),))
        faults.ports.append(server.add_insecure_port("localhost:0"))
        await server.start()
        servers.append(server)
    try:
        yield f"esdb://localhost:{faults.ports[0]}?tls=false"
    finally:
        for server in servers:
            await server.stop(0)
        desk.close()
