"""The batches of one `BatchAppend` call: read ahead while those before them are stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

from esdbclient.protos.Grpc import streams_pb2

from runtime.errors import StoreError
from runtime.events import NewEvent
from runtime.store.port import Append, Appended
from runtime.store.wire import answers
from runtime.store.wire.refusal import Refusal, invalid
from runtime.store.wire.requests import check_size, expected_of, new_event, stream_name

MAX_BATCHES = 64
"""Batches that one call may have begun and not ended, and that are read ahead."""


@dataclass(slots=True)
class Batch:
    """One append of a call; `append` is None as long as it is not complete, or if it is refused."""

    options: streams_pb2.BatchAppendReq.Options = field(
        default_factory=streams_pb2.BatchAppendReq.Options
    )
    last: streams_pb2.BatchAppendReq = field(default_factory=streams_pb2.BatchAppendReq)
    events: list[NewEvent] = field(default_factory=list)
    append: Append | None = None
    refused: Refusal | None = None

    def take(self, request: streams_pb2.BatchAppendReq, limit: int) -> bool:
        """Take in a message of it; answers whether it is at its end. `limit`: its most bytes."""
        self.last = request
        if request.HasField("options"):
            self.options.CopyFrom(request.options)
        try:
            self.events += [new_event(message) for message in request.proposed_messages]
            check_size(self.events, limit)
            if request.is_final:
                stream = stream_name(self.options.stream_identifier)
                self.append = Append(stream, expected_of(self.options), self.events)
        except Refusal as refusal:
            self.refused = refusal
        return self.append is not None or self.refused is not None

    def refuse(self, refusal: Refusal) -> None:
        """Keep it from being stored."""
        self.append, self.refused = None, refusal

    def answer(self, outcome: list[Appended] | Exception) -> streams_pb2.BatchAppendResp:
        """What the client is told, once what it asked for came to `outcome`."""
        error = self.refused if self.refused is not None else outcome
        if isinstance(error, StoreError | Refusal):
            return answers.batch_refused(self.last, self.options, error)
        if isinstance(error, Exception):
            raise error
        return answers.batch_appended(self.last, self.options, error[0])


async def gathered(
    requests: AsyncIterator[streams_pb2.BatchAppendReq], limit: int
) -> AsyncGenerator[list[Batch], None]:
    """The batches that ended, all that have gathered since those before them were asked for."""
    ended: asyncio.Queue[Batch | None] = asyncio.Queue(MAX_BATCHES)
    reading = asyncio.create_task(_read(requests, limit, ended))
    try:
        more = True
        while more:
            batches = [await ended.get()]
            while not ended.empty():
                batches.append(ended.get_nowait())
            more = batches[-1] is not None
            complete = [batch for batch in batches if batch is not None]
            if complete:
                yield complete
        await reading
    finally:
        reading.cancel()
        await asyncio.wait((reading,))


async def _read(
    requests: AsyncIterator[streams_pb2.BatchAppendReq],
    limit: int,
    ended: asyncio.Queue[Batch | None],
) -> None:
    begun: dict[bytes, Batch] = {}
    try:
        async for request in requests:
            key = request.correlation_id.SerializeToString()
            batch = begun.setdefault(key, Batch())
            over = batch.take(request, limit)
            if not over and len(begun) > MAX_BATCHES:
                batch.refused = invalid(f"more than {MAX_BATCHES} batches were begun and not ended")
            if over or batch.refused is not None:
                del begun[key]
                await ended.put(batch)
    finally:
        await ended.put(None)
