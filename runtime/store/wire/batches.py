"""The batches of one `BatchAppend` call: read ahead while those before them are stored."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from copy import deepcopy
from dataclasses import dataclass, field

from runtime.errors import StoreError, StreamDeleted, WrongExpectedVersion
from runtime.events import NewEvent
from runtime.store.port import Append, Appended
from runtime.store.protocol import shared_pb2, streams_pb2
from runtime.store.wire import answers
from runtime.store.wire.calls import refusal_of
from runtime.store.wire.refusal import Refusal, TooLate, invalid
from runtime.store.wire.requests import (
    check_size,
    deadline_of,
    expected_of,
    new_event,
    size_of,
    stream_name,
)

MAX_BATCHES = 64
"""Batches that one call may have begun and not ended, and that are read ahead."""

MAX_HELD = 16 * 1024 * 1024
"""Bytes of such batches, beside the one that is being received."""

_ANSWERS = WrongExpectedVersion | StreamDeleted


@dataclass(slots=True)
class Batch:
    """One append of a call; `append` is None as long as it is not complete, or if it is refused.

    `due` is when it must be stored, in seconds since 1970. `size` is what its events count for.
    """

    options: streams_pb2.BatchAppendReq.Options
    correlation: shared_pb2.UUID
    due: float = math.inf
    size: int = 0
    events: list[NewEvent] = field(default_factory=list)
    append: Append | None = None
    refused: Refusal | None = None

    def take(self, request: streams_pb2.BatchAppendReq, limit: int) -> bool:
        """Take in a message of it; answers whether it is at its end. `limit`: its most bytes."""
        try:
            for message in request.proposed_messages:
                event = new_event(message)
                self.size += size_of(event)
                check_size(self.size, limit)
                self.events.append(event)
            if request.is_final:
                stream = stream_name(self.options.stream_identifier)
                self.append = Append(stream, expected_of(self.options), self.events)
        except Refusal as refusal:
            self.refuse(refusal)
        return self.append is not None or self.refused is not None

    def refuse(self, refusal: Refusal) -> None:
        """Store nothing of it, and let its events go."""
        self.append, self.refused, self.events = None, refusal, []

    def expire(self, now: float) -> None:
        """Refuse it if it should have been stored by `now`."""
        if self.append is not None and self.due <= now:
            self.refuse(TooLate())

    def answer(self, outcome: list[Appended] | Exception) -> streams_pb2.BatchAppendResp:
        """What the client is told, once what it asked for came to `outcome`."""
        error = self.refused if self.refused is not None else outcome
        if isinstance(error, StoreError) and not isinstance(error, _ANSWERS):
            error = refusal_of(error, "")
        if isinstance(error, StoreError | Refusal):
            return answers.batch_refused(self.correlation, self.options, error)
        if isinstance(error, Exception):
            raise error
        return answers.batch_appended(self.correlation, self.options, error[0])


async def gathered(
    requests: AsyncIterator[streams_pb2.BatchAppendReq], limit: int
) -> AsyncGenerator[list[Batch], None]:
    """The batches that ended, all that have gathered since those before them were asked for."""
    intake = _Intake(limit)
    reading = asyncio.create_task(intake.read(requests))
    try:
        more = True
        while more:
            batches = [await intake.ended.get()]
            while not intake.ended.empty():
                batches.append(intake.ended.get_nowait())
            more = batches[-1] is not None
            complete = [batch for batch in batches if batch is not None]
            intake.release(complete)
            if complete:
                yield complete
        await reading
    finally:
        reading.cancel()
        await asyncio.wait((reading,))


class _Intake:
    """Reads the messages of a call, as long as there is room for what is not stored yet."""

    def __init__(self, limit: int) -> None:
        self.ended: asyncio.Queue[Batch | None] = asyncio.Queue()
        self._limit = limit
        self._begun: dict[bytes, Batch] = {}
        self._waiting: deque[int] = deque()
        self._room = asyncio.Event()
        self._room.set()

    async def read(self, requests: AsyncIterator[streams_pb2.BatchAppendReq]) -> None:
        """Put each batch into `ended` when it ends, and None behind the last one."""
        try:
            async for request in requests:
                batch = self._taken(request)
                if batch is not None:
                    self._waiting.append(batch.size)
                    self._bound()
                    self.ended.put_nowait(batch)
                    await self._room.wait()
        finally:
            self.ended.put_nowait(None)

    def release(self, batches: list[Batch]) -> None:
        """Make room: `batches` have left `ended`."""
        for _ in batches:
            self._waiting.popleft()
        self._bound()

    def _bound(self) -> None:
        if len(self._waiting) < MAX_BATCHES and sum(self._waiting) <= MAX_HELD:
            self._room.set()
        else:
            self._room.clear()

    def _taken(self, request: streams_pb2.BatchAppendReq) -> Batch | None:
        """The batch that ends with this message, if one does.

        What belongs to no batch, since that was refused before its end, is passed over.
        """
        key = request.correlation_id.SerializeToString()
        batch = self._begun.get(key)
        if batch is None:
            if not request.HasField("options"):
                return None
            due = deadline_of(request.options, time.time())
            kept = deepcopy(request.options), deepcopy(request.correlation_id)
            batch = self._begun[key] = Batch(*kept, due)
        over = batch.take(request, self._limit)
        if not over and self._crowded(batch):
            told = f"more than {MAX_BATCHES} batches, or {MAX_HELD} bytes, begun and not ended"
            batch.refuse(invalid(f"{told}: end those before"))
            over = True
        return self._begun.pop(key) if over else None

    def _crowded(self, newest: Batch) -> bool:
        held = sum(batch.size for batch in self._begun.values()) - newest.size
        return len(self._begun) > MAX_BATCHES or held > MAX_HELD
