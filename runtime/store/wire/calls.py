"""How a call of a client ends: with its answer, or with the reason why there is none."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from grpc import StatusCode
from grpc.aio import ServicerContext

from runtime.errors import StoreError
from runtime.store.wire.refusal import Refusal, of_store

_log = logging.getLogger(__name__)

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
        refusal = refusal_of(error, stream)
    else:
        return
    await context.abort(refusal.code, refusal.details, refusal.trailers)


def refusal_of(error: StoreError, stream: str) -> Refusal:
    """What an error of the store is told as; one that is not the client's doing is logged."""
    refusal = of_store(error, stream)
    if refusal.code is StatusCode.UNAVAILABLE:
        _log.error("%s", error)
    return refusal
