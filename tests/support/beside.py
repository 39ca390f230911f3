"""Servers that run in an event loop on a thread of their own, beside a test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from threading import Thread
from typing import TypeVar

SECONDS = 20
"""How long a server may take to begin, and to end."""

T = TypeVar("T")


@contextmanager
def beside(serve: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """What `serve` gives, until the end of the block; raises what it raises."""
    begun: Future[tuple[T, Callable[[], object]]] = Future()
    ended: Future[None] = Future()

    async def run() -> None:
        over, loop = asyncio.Event(), asyncio.get_running_loop()
        async with serve() as given:
            begun.set_result((given, lambda: loop.call_soon_threadsafe(over.set)))
            await over.wait()

    def work() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # noqa: BLE001 (raised in the test's own thread)
            (ended if begun.done() else begun).set_exception(error)
        else:
            ended.set_result(None)

    Thread(target=work, daemon=True).start()
    given, end = begun.result(SECONDS)
    try:
        yield given
    finally:
        end()
        ended.result(SECONDS)
