"""The service `event_store.client.streams.Streams`, over a store."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from runtime.errors import WrongExpectedVersion
from runtime.events import NewEvent
from runtime.store.access import Act
from runtime.store.policy import ALL
from runtime.store.port import Append, Appended, Write
from runtime.store.protocol import streams_pb2
from runtime.store.wire import answers
from runtime.store.wire.batches import Batch, gathered
from runtime.store.wire.calls import Context, answering, ended_well
from runtime.store.wire.commits import Outcome
from runtime.store.wire.desk import Desk
from runtime.store.wire.encoding import encoded
from runtime.store.wire.gate import Gate
from runtime.store.wire.reading import follow, read
from runtime.store.wire.refusal import Denied, Refusal, invalid, wrong_version
from runtime.store.wire.requests import (
    check_size,
    expected_of,
    new_event,
    reading,
    size_of,
    stream_name,
)

SERVICE = streams_pb2.DESCRIPTOR.services_by_name["Streams"].full_name

MAX_APPEND = 1024 * 1024
"""Bytes of one append, unless told otherwise; the default of KurrentDB 24.10."""


class Streams:
    """Reads, subscriptions, appends and deletions of a desk's store."""

    def __init__(self, desk: Desk, gate: Gate, max_append: int = MAX_APPEND) -> None:
        self._desk = desk
        self._gate = gate
        self._max_append = max_append

    async def read(
        self, request: streams_pb2.ReadReq, context: Context
    ) -> AsyncIterator[streams_pb2.ReadResp | bytes]:
        """Events of a stream or of the log, once or as they come."""
        async with answering(context):
            asked = reading(request.options)
        async with answering(context, asked.stream or ""):
            await self._gate.admit(context, Act.READ, asked.stream or ALL)
            source = follow(self._desk, asked) if asked.follow else read(self._desk, asked)
            async for answer in source:
                yield answer

    async def append(
        self, request_iterator: AsyncIterator[streams_pb2.AppendReq], context: Context
    ) -> streams_pb2.AppendResp:
        """Append the events that follow the options, all or none."""
        async with answering(context):
            options, events = await self._received(request_iterator)
            await ended_well(context)
            stream, expected = stream_name(options.stream_identifier), expected_of(options)
            await self._gate.admit(context, Act.WRITE, stream)
        async with answering(context, stream):
            try:
                write = Write((Append(stream, expected, events),))
                answer = _answer(await self._desk.write([write]))
            except WrongExpectedVersion as error:
                return answers.wrong_version(error, expected)
        return answers.appended(answer)

    async def append_batches(
        self,
        request_iterator: AsyncIterator[streams_pb2.BatchAppendReq],
        context: Context,
    ) -> AsyncIterator[streams_pb2.BatchAppendResp]:
        """Append batches, each all or none, in the order in which they end."""
        async with (
            answering(context),
            aclosing(gathered(request_iterator, self._max_append)) as source,
        ):
            async for batches in source:
                for batch in batches:
                    await self._admit(batch, context)
                for answer in await self._stored(batches):
                    yield answer

    async def delete(
        self, request: streams_pb2.DeleteReq, context: Context
    ) -> streams_pb2.DeleteResp:
        """Hide the events of a stream."""
        answer = await self._delete(request.options, context, hard=False)
        place = streams_pb2.DeleteResp.Position(
            commit_position=answer.position, prepare_position=answer.position
        )
        return streams_pb2.DeleteResp(position=place)

    async def tombstone(
        self, request: streams_pb2.TombstoneReq, context: Context
    ) -> streams_pb2.TombstoneResp:
        """End a stream for good."""
        answer = await self._delete(request.options, context, hard=True)
        place = streams_pb2.TombstoneResp.Position(
            commit_position=answer.position, prepare_position=answer.position
        )
        return streams_pb2.TombstoneResp(position=place)

    def handler(self) -> grpc.GenericRpcHandler:
        """What serves the methods of the service."""
        pb = streams_pb2
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Read": grpc.unary_stream_rpc_method_handler(self.read, pb.ReadReq.FromString, encoded),
            "Append": grpc.stream_unary_rpc_method_handler(
                self.append, pb.AppendReq.FromString, pb.AppendResp.SerializeToString
            ),
            "BatchAppend": grpc.stream_stream_rpc_method_handler(
                self.append_batches,
                pb.BatchAppendReq.FromString,
                pb.BatchAppendResp.SerializeToString,
            ),
            "Delete": grpc.unary_unary_rpc_method_handler(
                self.delete, pb.DeleteReq.FromString, pb.DeleteResp.SerializeToString
            ),
            "Tombstone": grpc.unary_unary_rpc_method_handler(
                self.tombstone, pb.TombstoneReq.FromString, pb.TombstoneResp.SerializeToString
            ),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def _received(
        self, requests: AsyncIterator[streams_pb2.AppendReq]
    ) -> tuple[streams_pb2.AppendReq.Options, list[NewEvent]]:
        options = None
        events: list[NewEvent] = []
        size = 0
        async for request in requests:
            named = request.WhichOneof("content") == "options"
            if named == (options is not None):
                raise _misplaced()
            if named:
                options = request.options
                continue
            event = new_event(request.proposed_message)
            size += size_of(event)
            check_size(size, self._max_append)
            events.append(event)
        if options is None:
            raise _misplaced()
        return options, events

    async def _admit(self, batch: Batch, context: Context) -> None:
        """Refuse a batch for a stream that the caller may not write to; the others go on."""
        if batch.append is None:
            return
        try:
            await self._gate.admit(context, Act.WRITE, batch.append.stream)
        except Denied as denied:
            batch.refuse(denied)

    async def _stored(self, batches: list[Batch]) -> list[streams_pb2.BatchAppendResp]:
        """The answers to batches, those that are not refused stored in one transaction."""
        now = time.time()
        for one in batches:
            one.expire(now)
        writes = [Write((one.append,)) for one in batches if one.append is not None]
        outcomes = iter(await self._desk.write(writes) if writes else ())
        return [one.answer([] if one.append is None else next(outcomes)) for one in batches]

    async def _delete(
        self,
        options: streams_pb2.DeleteReq.Options | streams_pb2.TombstoneReq.Options,
        context: Context,
        *,
        hard: bool,
    ) -> Appended:
        async with answering(context):
            stream, expected = stream_name(options.stream_identifier), expected_of(options)
            await self._gate.admit(context, Act.DELETE, stream)
        async with answering(context, stream):
            try:
                return await self._desk.call(
                    lambda: self._desk.store.delete(stream, expected, hard=hard)
                )
            except WrongExpectedVersion as error:
                act = "Tombstone" if hard else "Delete"
                raise wrong_version(stream, expected, error.actual, act) from None


def _misplaced() -> Refusal:
    return invalid("the append names no stream, or two: its options must come first, and once")


def _answer(outcomes: list[Outcome]) -> Appended:
    """Where the only append of the only write ended."""
    (outcome,) = outcomes
    if isinstance(outcome, Exception):
        raise outcome
    return outcome[0]
