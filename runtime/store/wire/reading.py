"""Reads and catch-up subscriptions, as a client is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

from runtime.errors import StreamDeleted, StreamNotFound
from runtime.store.expectation import TOMBSTONE
from runtime.store.protocol import streams_pb2
from runtime.store.wire import answers
from runtime.store.wire.desk import PAGE, STRIDE, Desk, Page
from runtime.store.wire.encoding import read_event
from runtime.store.wire.requests import READ_BATCH, Reading

Answers = AsyncIterator[streams_pb2.ReadResp | bytes]
LIVE_BUFFER = 32
"""Events by which a subscription may be behind and still count as live."""


async def read(desk: Desk, reading: Reading) -> Answers:
    """The events that were asked for, once; what stands behind a page is not held."""
    left = TOMBSTONE if reading.limit is None else reading.limit
    start, count = _start(reading), 0
    more = left > 0
    while more:
        try:
            page = await desk.page(reading, start, min(PAGE, left - count))
        except StreamNotFound:
            assert reading.stream is not None
            yield answers.not_found(reading.stream)
            return
        if count == 0:
            for place in _beginning(reading, page):
                yield place
        for found in page.events:
            yield read_event(found, structured=reading.structured)
        start = page.next
        count += len(page.events)
        more = start is not None and count < left
    if _is_told_places(reading):
        for place in await _places(desk, reading, found=count > 0):
            yield place


def _start(reading: Reading) -> int | None:
    """Where a read begins; None for the last event."""
    if reading.at_end:
        return None if reading.backwards else TOMBSTONE
    return reading.start or 0


def _is_told_places(reading: Reading) -> bool:
    """Whether the client is a newer one that reads a stream."""
    return reading.stream is not None and reading.compatibility > 0


def _beginning(reading: Reading, page: Page) -> list[streams_pb2.ReadResp]:
    """What newer clients are told before the first event, if all that KurrentDB reads is hidden."""
    if not page.events or reading.backwards or not _is_told_places(reading):
        return []
    first = page.events[0].original.revision
    count = READ_BATCH if reading.limit is None else min(READ_BATCH, reading.limit)
    hidden = first >= (reading.start or 0) + count
    return [streams_pb2.ReadResp(first_stream_position=first)] if hidden else []


async def _places(desk: Desk, reading: Reading, *, found: bool) -> list[streams_pb2.ReadResp]:
    """What newer clients are told of a stream behind its events.

    Where it ends, and before that, if a read forwards found nothing, where it can be read on.
    """
    stream = reading.stream
    assert stream is not None
    last = await desk.call(lambda: desk.store.revision(stream))
    told = [streams_pb2.ReadResp(last_stream_position=max(0, last))]
    if not (found or reading.backwards or _start(reading) == last + 1):
        told.insert(0, streams_pb2.ReadResp(first_stream_position=last + 1))
    return told


async def follow(desk: Desk, reading: Reading) -> Answers:
    """The confirmation, the events behind the start, that it caught up, and then new ones.

    The end, where that is the start, is where it is when the confirmation is sent.
    """
    cursor = await _cursor(desk, reading)
    yield streams_pb2.ReadResp(
        confirmation=streams_pb2.ReadResp.SubscriptionConfirmation(subscription_id=str(uuid4()))
    )
    through = _follow_log if reading.stream is None else _follow_stream
    async for answer in through(desk, reading, cursor):
        yield answer


async def _cursor(desk: Desk, reading: Reading) -> int:
    """The revision or the position behind which a subscription begins.

    Raises `FilterInvalid` before there is an event to look at, `StreamDeleted` if there is
    never to be one.
    """
    stream = reading.stream
    if stream is None:
        await desk.window(reading, (0, -1), 1)
        end = await desk.end()
    else:
        await desk.call(lambda: desk.store.revision(stream))
        end = await desk.last(stream)
    start = -1 if reading.start is None else reading.start
    return end if reading.at_end else start


async def _follow_stream(desk: Desk, reading: Reading, cursor: int) -> Answers:
    """As long as it is live, also what metadata or a deletion hide as soon as it is written."""
    assert reading.stream is not None
    live, last = reading.at_end, -1
    if live:
        yield _caught_up()
    while True:
        grown = desk.growth()
        page = await desk.written(reading, cursor + 1, LIVE_BUFFER + 1) if live else None
        live = page is not None and len(page.events) <= LIVE_BUFFER
        if page is None or not live:
            last = await desk.last(reading.stream)
            page = await _stream_page(desk, reading, cursor + 1)
        for found in page.events:
            yield read_event(found, structured=reading.structured)
            cursor = found.original.revision
            if cursor == TOMBSTONE:
                raise StreamDeleted(f"stream {reading.stream!r} is deleted for good")
        if page.next is not None:
            continue
        if not live:
            live, cursor = True, max(cursor, last)
            yield _caught_up()
        await grown.wait()


async def _stream_page(desk: Desk, reading: Reading, start: int) -> Page:
    try:
        return await desk.page(reading, start, PAGE)
    except StreamNotFound:
        return Page([], None)


async def _follow_log(desk: Desk, reading: Reading, cursor: int) -> Answers:
    progress = Progress(reading.window, cursor)
    live = False
    while True:
        grown = desk.growth()
        end = await desk.end()
        live = live and end - cursor <= LIVE_BUFFER
        while cursor < end:
            last = min(end, cursor + progress.stride)
            page = await desk.window(reading, (cursor + 1, last), PAGE)
            for found in page.events:
                yield read_event(found, structured=reading.structured)
            cursor = last if page.next is None else page.next - 1
            if progress.due(cursor):
                yield answers.checkpoint(cursor)
        if not live:
            live = True
            if progress.reached(cursor):
                yield answers.checkpoint(cursor)
            yield _caught_up()
        await grown.wait()


class Progress:
    """When a filtered subscription is told how far it has come; one without filter never is."""

    def __init__(self, window: int | None, start: int) -> None:
        self._window = window
        self._told = start

    @property
    def stride(self) -> int:
        """Positions to look at in one go."""
        return STRIDE if self._window is None else min(self._window, STRIDE)

    def due(self, position: int) -> bool:
        """Whether to tell `position`, since a window was looked through."""
        told = self._window is not None and position - self._told >= self._window
        return told and self.reached(position)

    def reached(self, position: int) -> bool:
        """Whether to tell `position`, since it was not told before."""
        fresh = self._window is not None and position > self._told
        self._told = max(position, self._told) if fresh else self._told
        return fresh


def _caught_up() -> streams_pb2.ReadResp:
    return streams_pb2.ReadResp(caught_up=streams_pb2.ReadResp.CaughtUp())
