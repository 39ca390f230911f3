"""A store that is served by a thread of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from runtime.store import SqliteStore
from runtime.store.wire import Serving, serve

READY_SECONDS = 20


@contextmanager
def served(store: SqliteStore, serving: Serving) -> Iterator[int]:
    """Serve `store` inside the block; gives the port."""
    ports: list[int] = []
    ready = Event()
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        over = asyncio.Event()
        stop.append((asyncio.get_running_loop(), over))
        async with serve(store, serving) as port:
            ports.append(port)
            ready.set()
            await over.wait()

    thread = Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    try:
        assert ready.wait(READY_SECONDS), "the server did not start"
        yield ports[0]
    finally:
        loop, over = stop[0]
        loop.call_soon_threadsafe(over.set)
        thread.join(READY_SECONDS)
