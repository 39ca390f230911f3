"""How a call of a client ends: with its answer, or with the reason why there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from grpc.aio import ServicerContext

from runtime.errors import StoreError
from runtime.store.wire.refusal import Refusal, of_store

Context = ServicerContext[Any, Any]


@asynccontextmanager
async def answering(context: Context, stream: str = "") -> AsyncIterator[None]:
    """End the call with the status that fits if the block raises a `Refusal` or a `StoreError`.

    `stream` is the one that is asked about, told with an error of the store.
    """
    try:
        yield
    except Refusal as error:
        refusal = error
    except StoreError as error:
        refusal = of_store(error, stream)
    else:
        return
    await context.abort(refusal.code, refusal.details, refusal.trailers)
