"""How calls of an event loop reach the store, whose methods wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple, TypeVar

from runtime.errors import StreamNotFound
from runtime.events import RecordedEvent
from runtime.store.link import Resolved
from runtime.store.port import Write
from runtime.store.query import PAGE_BYTES, weight
from runtime.store.resolution import resolve
from runtime.store.sqlite import SqliteStore
from runtime.store.wire.commits import Commits, Outcome
from runtime.store.wire.requests import Reading

PAGE = 256
"""Events that a call holds at the most, and no more than one beyond `PAGE_BYTES` of the store."""

THREADS = 16
"""Threads that wait for the store."""

PATTERN_THREADS = 2
"""Threads that wait for it to match regular expressions: bad ones hold up each other only."""

PROJECTION_THREADS = 4
"""Threads that wait for projections to be made, changed or asked: code that is slow to compile
or to stop holds up other projections only."""

STRIDE = 16 * PAGE
"""Positions that are looked through in one go for what regular expressions let pass."""

T = TypeVar("T")


class Page(NamedTuple):
    """Events that were read, and where to read on; None at the end of what was asked for.

    It says so as a read does: a revision, or a position, which backwards is not included.
    """

    events: list[Resolved]
    next: int | None


class Desk:
    """Runs the store's methods on threads of its own, and wakes who waits for new events.

    To be made and used inside one running event loop.
    """

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self._threads = ThreadPoolExecutor(THREADS, "store")
        self._matchers = ThreadPoolExecutor(PATTERN_THREADS, "matcher")
        self._projectors = ThreadPoolExecutor(PROJECTION_THREADS, "projections")
        self._loop = asyncio.get_running_loop()
        self._grown = asyncio.Event()
        self._watched = False
        self._stop = store.listen(self._ring)
        self._commits = Commits(store.write_each)

    async def call(self, act: Callable[[], T]) -> T:
        """What `act` returns, or raises."""
        return await self._loop.run_in_executor(self._threads, act)

    async def match(self, act: Callable[[], T]) -> T:
        """As `call`, for what matches regular expressions."""
        return await self._loop.run_in_executor(self._matchers, act)

    async def project(self, act: Callable[[], T]) -> T:
        """As `call`, for what projections are asked for."""
        return await self._loop.run_in_executor(self._projectors, act)

    async def write(self, writes: Sequence[Write]) -> list[Outcome]:
        """What each of `writes` came to; those of other calls may share their transaction."""
        return await self._commits.write(writes)

    async def page(self, reading: Reading, start: int | None, limit: int) -> Page:
        """The next events of a read, `limit` at the most; links resolved if it asks for that.

        Without `start` they are the last ones. There may be none even though there is a next
        page.
        """
        read = self._log_page if reading.stream is None else self._stream_page
        return await self._read(reading, lambda: read(reading, start, limit))

    async def written(self, reading: Reading, start: int, limit: int) -> Page:
        """The next events of a stream as they were written, whether hidden or not, `limit` at most.

        The tombstone is one of them. None, if there is no such stream.
        """
        return await self._read(reading, lambda: self._written_page(reading, start, limit))

    async def window(self, reading: Reading, bounds: tuple[int, int], limit: int) -> Page:
        """The first events, `limit` at the most, of the positions within `bounds`."""
        return await self._read(reading, lambda: self._window(reading, bounds, limit))

    async def end(self) -> int:
        """The position of the last event of the log, -1 for an empty one."""
        return await self.call(self.store.end)

    async def last(self, stream: str) -> int:
        """The last revision of a stream, whether hidden or not; -1 if it was never written."""
        return await self.call(lambda: self._last(stream))

    def growth(self) -> asyncio.Event:
        """Set when something is written after this call."""
        self._watched = True
        return self._grown

    def close(self) -> None:
        """Stop listening, and let the threads go."""
        self._stop()
        self._commits.close()
        for threads in (self._threads, self._matchers, self._projectors):
            threads.shutdown(wait=False, cancel_futures=True)

    async def _read(self, reading: Reading, act: Callable[[], Page]) -> Page:
        return await (self.match if reading.only.by_pattern else self.call)(act)

    def _ring(self) -> None:
        if self._watched:
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._watched = False
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()

    def _stream_page(self, reading: Reading, start: int | None, limit: int) -> Page:
        assert reading.stream is not None
        backwards = reading.backwards
        found = self.store.read_stream(reading.stream, start, backwards=backwards, limit=limit)
        page, more = self._filled(reading, found, limit)
        following = page[-1].original.revision + (-1 if backwards else 1) if more else -1
        return Page(page, following if following >= 0 else None)

    def _last(self, stream: str) -> int:
        head = next(self.store.heads(stream), None)
        return -1 if head is None or head.stream != stream else head.revision

    def _written_page(self, reading: Reading, start: int, limit: int) -> Page:
        try:
            entries = self.store.entries(reading.stream, start)
        except StreamNotFound:
            return Page([], None)
        events = (entry for entry in entries if isinstance(entry, RecordedEvent))
        page, more = self._filled(reading, islice(events, limit), limit)
        return Page(page, page[-1].original.revision + 1 if more else None)

    def _log_page(self, reading: Reading, start: int | None, limit: int) -> Page:
        end = self.store.end()
        stride = STRIDE if reading.only.by_pattern else end + 1
        if reading.backwards:
            last = end if start is None else min(start - 1, end)
            first = max(0, last - stride + 1)
            beyond = first if first > 0 else None
        else:
            first = start or 0
            last = min(end, first + stride - 1)
            beyond = last + 1 if last < end else None
        page = self._window(reading, (first, last), limit)
        return page if page.next is not None else page._replace(next=beyond)

    def _window(self, reading: Reading, bounds: tuple[int, int], limit: int) -> Page:
        backwards = reading.backwards
        found = self.store.scan(*bounds, backwards=backwards, limit=limit, only=reading.only)
        page, more = self._filled(reading, found, limit)
        following = page[-1].original.position + (0 if backwards else 1) if more else None
        return Page(page, following)

    def _filled(
        self, reading: Reading, found: Iterator[RecordedEvent], limit: int
    ) -> tuple[list[Resolved], bool]:
        """The first events of `found`, and whether there may be others."""
        page: list[Resolved] = []
        size = 0
        for event in found:
            each = self._resolved(reading, event)
            page.append(each)
            size += weight(part for part in (each.event, each.link) if part is not None)
            if size >= PAGE_BYTES:
                return page, True
        return page, len(page) >= limit

    def _resolved(self, reading: Reading, event: RecordedEvent) -> Resolved:
        return resolve(self.store, event) if reading.resolve else Resolved(event)
