"""How calls of an event loop reach the store, whose methods wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple, TypeVar

from runtime.errors import StreamDeleted, StreamNotFound
from runtime.events import RecordedEvent
from runtime.store.link import Resolved, target_of
from runtime.store.query import PAGE_BYTES, weight
from runtime.store.sqlite import SqliteStore
from runtime.store.wire.requests import Reading

PAGE = 256
"""Events that a call holds at the most, and no more than one beyond `PAGE_BYTES` of the store."""

THREADS = 16
"""Threads that wait for the store."""

PATTERN_THREADS = 2
"""Threads that wait for it to match regular expressions: bad ones hold up each other only."""

T = TypeVar("T")


class Page(NamedTuple):
    """Events that were read; `more` says that there may be others behind them."""

    events: list[Resolved]
    more: bool


class Desk:
    """Runs the store's methods on threads of its own, and wakes who waits for new events.

    To be made and used inside one running event loop.
    """

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self._threads = ThreadPoolExecutor(THREADS, "store")
        self._matchers = ThreadPoolExecutor(PATTERN_THREADS, "matcher")
        self._loop = asyncio.get_running_loop()
        self._grown = asyncio.Event()
        self._stop = store.listen(self._ring)

    async def call(self, act: Callable[[], T]) -> T:
        """What `act` returns, or raises."""
        return await self._loop.run_in_executor(self._threads, act)

    async def page(self, reading: Reading, start: int | None, limit: int) -> Page:
        """The next events of a read, `limit` at the most; links resolved if it asks for that."""
        return await self._read(reading, lambda: self._page(reading, start, limit))

    async def window(self, reading: Reading, bounds: tuple[int, int], limit: int) -> Page:
        """The first events, `limit` at the most, of the positions within `bounds`."""

        def read() -> Page:
            found = self.store.scan(*bounds, limit=limit, only=reading.only)
            return self._filled(reading, found, limit)

        return await self._read(reading, read)

    async def end(self) -> int:
        """The position of the last event of the log, -1 for an empty one."""
        return await self.call(self.store.end)

    def growth(self) -> asyncio.Event:
        """Set when something is written after this call."""
        return self._grown

    def close(self) -> None:
        """Stop listening, and let the threads go."""
        self._stop()
        for threads in (self._threads, self._matchers):
            threads.shutdown(wait=False, cancel_futures=True)

    async def _read(self, reading: Reading, act: Callable[[], Page]) -> Page:
        patterns = reading.only.stream_pattern or reading.only.type_pattern
        threads = self._matchers if patterns else self._threads
        return await self._loop.run_in_executor(threads, act)

    def _ring(self) -> None:
        self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    def _page(self, reading: Reading, start: int | None, limit: int) -> Page:
        backwards = reading.backwards
        if reading.stream is None:
            found = self.store.read_all(start, backwards=backwards, limit=limit, only=reading.only)
        else:
            found = self.store.read_stream(reading.stream, start, backwards=backwards, limit=limit)
        return self._filled(reading, found, limit)

    def _filled(self, reading: Reading, found: Iterator[RecordedEvent], limit: int) -> Page:
        page: list[Resolved] = []
        size = 0
        for event in found:
            each = self._resolved(reading, event)
            page.append(each)
            size += weight(part for part in (each.event, each.link) if part is not None)
            if size >= PAGE_BYTES:
                return Page(page, more=True)
        return Page(page, more=len(page) >= limit)

    def _resolved(self, reading: Reading, event: RecordedEvent) -> Resolved:
        target = target_of(event) if reading.resolve else None
        if target is None:
            return Resolved(event)
        return Resolved(self._target(*target), event)

    def _target(self, stream: str, revision: int) -> RecordedEvent | None:
        with suppress(StreamNotFound, StreamDeleted):
            found = self.store.read_stream(stream, revision, limit=1)
            return next((event for event in found if event.revision == revision), None)
        return None
