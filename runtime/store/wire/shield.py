"""What stands before every method: no message and no error of ours breaks more than its call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from inspect import iscoroutinefunction
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from grpc import StatusCode

from runtime.store.wire.calls import Context, answering
from runtime.store.wire.refusal import invalid

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Parse = Callable[[bytes], Any] | None

_log = logging.getLogger(__name__)


class Shield(grpc.aio.ServerInterceptor):
    """Has each call end with a status that says what was wrong, whatever the client sent.

    What is not offered is UNIMPLEMENTED, a message that is none INVALID_ARGUMENT. An error of
    the server's own is INTERNAL: it is logged with its traceback, and the client is told no more.
    """

    def __init__(self) -> None:
        self._guarded: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """The handler of a method, guarded."""
        method = handler_call_details.method
        found = self._guarded.get(method)
        if found is not None:
            return found
        handler = await continuation(handler_call_details)
        if handler is None:
            return _unknown(method)
        self._guarded[method] = _guarded(method, handler)
        return self._guarded[method]


def _unknown(method: str) -> Handler:
    async def refuse(_requests: object, context: Context) -> None:
        await context.abort(StatusCode.UNIMPLEMENTED, _not_offered(method))

    return grpc.stream_unary_rpc_method_handler(refuse)


def _guarded(method: str, handler: Handler) -> Handler:
    """`handler`, which is handed messages that were parsed under its guard.

    One that streams its answers may yield them or write them to the context.
    """
    streaming = handler.request_streaming, handler.response_streaming
    kind = "_".join("stream" if each else "unary" for each in streaming)
    act = getattr(handler, kind)
    take = _each if handler.request_streaming else _parsed
    parse = handler.request_deserializer

    async def answer(received: Any, context: Context) -> Any:
        async with _guarding(method, context):
            return await act(take(received, parse), context)

    async def stream(received: Any, context: Context) -> AsyncIterator[Any]:
        async with (
            _guarding(method, context),
            aclosing(act(take(received, parse), context)) as all_,
        ):
            async for each in all_:
                yield each

    made = getattr(grpc, f"{kind}_rpc_method_handler")
    behave = answer if iscoroutinefunction(act) else stream
    guarded: Handler = made(behave, response_serializer=handler.response_serializer)
    return guarded


@asynccontextmanager
async def _guarding(method: str, context: Context) -> AsyncIterator[None]:
    try:
        async with answering(context):
            yield
    except grpc.aio.AbortError:
        raise
    except grpc.aio.InternalError:  # nothing can be sent any more: the client has gone
        raise asyncio.CancelledError from None
    except NotImplementedError:
        await context.abort(StatusCode.UNIMPLEMENTED, _not_offered(method))
    except Exception:  # noqa: BLE001 (the outermost: nobody else can tell it)
        _log.exception("%s failed by an error of the server's own", method)
        told = f"{method} failed by an error of the server's own, which is in its log"
        await context.abort(StatusCode.INTERNAL, told)


async def _each(received: AsyncIterator[bytes], parse: _Parse) -> AsyncIterator[Any]:
    async for message in received:
        yield _parsed(message, parse)


def _parsed(message: bytes, parse: _Parse) -> Any:
    try:
        return message if parse is None else parse(message)
    except DecodeError:
        raise invalid("the message is not the one that this method takes") from None


def _not_offered(method: str) -> str:
    return f"{method[:200]} is not offered by this server: ask ServerFeatures for what is"
