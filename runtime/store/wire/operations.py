"""The service `event_store.client.operations.Operations`: the upkeep of a server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import grpc

from runtime.store.persistent import Subsystem
from runtime.store.wire.calls import Context, answering
from runtime.store.wire.gate import Gate
from runtime.store.wire.refusal import unoffered

SERVICE = "event_store.client.operations.Operations"

Operation = Callable[[bytes], Awaitable[bytes]]
"""Carries a method out: from its encoded request to its encoded response."""

_EMPTY = b""
_UNOFFERED = {
    "StopScavenge": "A scavenge goes on to its end, in small steps beside all else",
    "Shutdown": "The server is ended by who started it",
    "MergeIndexes": "The store has no indexes that could be merged",
    "ResignNode": "The server is alone: there is no node that could lead in its place",
    "SetNodePriority": "The server is alone: nodes have no priority",
}


def shutdown_by(stop: asyncio.Event) -> Operation:
    """Ends a server by setting `stop`, for which the one who started it waits."""

    async def shutdown(_request: bytes) -> bytes:
        stop.set()
        return _EMPTY

    return shutdown


def restart_of(subsystem: Subsystem) -> Operation:
    """Drops the consumers of all persistent subscriptions, which go on behind their checkpoints."""

    async def restart(_request: bytes) -> bytes:
        await subsystem.restart()
        return _EMPTY

    return restart


def operations_handler(gate: Gate, offered: Mapping[str, Operation]) -> grpc.GenericRpcHandler:
    """Carries out the methods that are `offered`, for operators; says why others are not."""

    def method(name: str, sentence: str) -> grpc.RpcMethodHandler[bytes, bytes]:
        async def answer(request: bytes, context: Context) -> bytes:
            async with answering(context):
                await gate.admit_operator(context)
                if name not in offered:
                    raise unoffered(sentence)
                return await offered[name](request)

        return grpc.unary_unary_rpc_method_handler(answer)

    sentences = dict.fromkeys(offered, "") | _UNOFFERED
    methods = {name: method(name, sentence) for name, sentence in sentences.items()}
    return grpc.method_handlers_generic_handler(SERVICE, methods)
