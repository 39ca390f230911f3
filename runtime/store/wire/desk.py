"""How calls of an event loop reach the store, whose methods wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from runtime.events import RecordedEvent
from runtime.store.link import Resolved
from runtime.store.port import Filter
from runtime.store.resolution import resolve
from runtime.store.sqlite import SqliteStore
from runtime.store.wire.requests import Reading

PAGE = 256
"""Events that a call holds at the most."""

THREADS = 16
"""Threads that wait for the store."""

T = TypeVar("T")


class Desk:
    """Runs the store's methods on threads of its own, and wakes who waits for new events.

    To be made and used inside one running event loop.
    """

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self._threads = ThreadPoolExecutor(THREADS, "store")
        self._loop = asyncio.get_running_loop()
        self._grown = asyncio.Event()
        self._stop = store.listen(self._ring)

    async def call(self, act: Callable[[], T]) -> T:
        """What `act` returns, or raises."""
        return await self._loop.run_in_executor(self._threads, act)

    async def page(self, reading: Reading, start: int | None, limit: int) -> list[Resolved]:
        """The next events of a read, `limit` at the most; links resolved if it asks for that."""
        return await self.call(lambda: self._page(reading, start, limit))

    async def window(self, reading: Reading, bounds: tuple[int, int], limit: int) -> list[Resolved]:
        """The first events, `limit` at the most, of the positions within `bounds`."""
        return await self.call(
            lambda: [self._resolved(reading, e) for e in self._window(bounds, limit, reading.only)]
        )

    async def end(self) -> int:
        """The position of the last event of the log, -1 for an empty one."""
        return await self.call(self.store.end)

    def growth(self) -> asyncio.Event:
        """Set when something is written after this call."""
        return self._grown

    def close(self) -> None:
        """Stop listening, and let the threads go."""
        self._stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ring(self) -> None:
        self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    def _page(self, reading: Reading, start: int | None, limit: int) -> list[Resolved]:
        backwards = reading.backwards
        if reading.stream is None:
            found = self.store.read_all(start, backwards=backwards, limit=limit, only=reading.only)
        else:
            found = self.store.read_stream(reading.stream, start, backwards=backwards, limit=limit)
        return [self._resolved(reading, event) for event in found]

    def _window(self, bounds: tuple[int, int], limit: int, only: Filter) -> list[RecordedEvent]:
        return self.store.read_window(*bounds, limit=limit, only=only)

    def _resolved(self, reading: Reading, event: RecordedEvent) -> Resolved:
        return resolve(self.store, event) if reading.resolve else Resolved(event)
