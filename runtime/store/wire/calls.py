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


async def ended_well(context: Context) -> None:
    """Return if the client has ended its messages; end the call if it was broken off.

    Both look the same to who receives them. But on a call that is broken off nothing can be
    sent any more, not even the headers that come before every answer.
    """
    await context.send_initial_metadata(())


def refusal_of(error: StoreError, stream: str) -> Refusal:
    """What an error of the store is told as; one that is not the client's doing is logged."""
    refusal = of_store(error, stream)
    if refusal.code is StatusCode.UNAVAILABLE:
        _log.error("%s", error)
    return refusal
