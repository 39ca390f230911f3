"""The service `event_store.client.persistent_subscriptions.PersistentSubscriptions`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from runtime.errors import SubscriptionError
from runtime.store.access import Act
from runtime.store.persistent import Host, Name, Seat, Subsystem
from runtime.store.policy import ALL
from runtime.store.protocol import persistent_pb2, persistent_pb2_grpc, shared_pb2
from runtime.store.wire import persistent_answers as answers
from runtime.store.wire import persistent_requests as requests
from runtime.store.wire.calls import Context, answering
from runtime.store.wire.gate import Gate
from runtime.store.wire.refusal import Refusal

Requests = AsyncIterator[persistent_pb2.ReadReq]
NAMELESS = "<unknown>"
"""What a connection is called that gives no name."""

ANONYMOUS = "anonymous"
"""Who a consumer is that does not say so."""


class PersistentSubscriptions(persistent_pb2_grpc.PersistentSubscriptionsServicer):
    """Lets clients create, change, delete, read and look at groups of consumers."""

    def __init__(self, subsystem: Subsystem, gate: Gate) -> None:
        self._subsystem = subsystem
        self._gate = gate

    async def Create(  # noqa: N802 (the name of the service's method)
        self, request: persistent_pb2.CreateReq, context: Context
    ) -> persistent_pb2.CreateResp:
        """Make a group."""
        options = request.options
        async with self._operating(context, lambda: requests.changing_name(options)):
            await self._subsystem.create(requests.created(options))
        return persistent_pb2.CreateResp()

    async def Update(  # noqa: N802
        self, request: persistent_pb2.UpdateReq, context: Context
    ) -> persistent_pb2.UpdateResp:
        """Change the settings of a group; its consumers are dropped."""
        options = request.options
        async with self._operating(context, lambda: requests.changing_name(options)):
            await self._subsystem.update(requests.updated(options))
        return persistent_pb2.UpdateResp()

    async def Delete(  # noqa: N802
        self, request: persistent_pb2.DeleteReq, context: Context
    ) -> persistent_pb2.DeleteResp:
        """Delete a group and its streams; its consumers are dropped."""
        options = request.options
        async with self._operating(context, lambda: requests.name_of(options)) as name:
            await self._subsystem.delete(name)
        return persistent_pb2.DeleteResp()

    async def GetInfo(  # noqa: N802
        self, request: persistent_pb2.GetInfoReq, context: Context
    ) -> persistent_pb2.GetInfoResp:
        """How a group is set, and how it stands."""
        options = request.options
        async with self._asking(context, lambda: requests.name_of(options)) as name:
            told = _info(self._subsystem.host(name))
        return persistent_pb2.GetInfoResp(subscription_info=told)

    async def List(  # noqa: N802
        self, request: persistent_pb2.ListReq, context: Context
    ) -> persistent_pb2.ListResp:
        """How all groups stand, or those of a stream."""
        async with self._asking(context, lambda: _listed(request)):
            stream = requests.listed(request.options)
            told = [_info(host) for host in self._subsystem.hosts(stream)]
        return persistent_pb2.ListResp(subscriptions=told)

    async def ReplayParked(  # noqa: N802
        self, request: persistent_pb2.ReplayParkedReq, context: Context
    ) -> persistent_pb2.ReplayParkedResp:
        """Have parked events delivered again."""
        options = request.options
        async with self._operating(context, lambda: requests.name_of(options)) as name:
            await self._subsystem.replay(name, requests.stop_at(options))
        return persistent_pb2.ReplayParkedResp()

    async def RestartSubsystem(  # noqa: N802
        self, _request: shared_pb2.Empty, context: Context
    ) -> shared_pb2.Empty:
        """Drop all consumers, and begin anew with what the store holds."""
        async with self._operating(context, lambda: Name(ALL, "")):
            await self._subsystem.restart()
        return shared_pb2.Empty()

    async def Read(  # noqa: N802
        self, request_iterator: Requests, context: Context
    ) -> None:
        """Give a consumer its events, until it ends the call; acks and nacks come the other way."""
        async with answering(context):
            async for first in request_iterator:
                asked = requests.reading(first)
                caller = await self._gate.admit_known(context)
                await self._gate.admit(context, Act.READ, asked.name.stream)
                with _told(asked.name):
                    await self._serve(asked, request_iterator, context, caller.login or ANONYMOUS)

    async def _serve(
        self, asked: requests.Reading, answers_of: Requests, context: Context, user: str
    ) -> None:
        host = self._subsystem.host(asked.name)
        number, seat = host.connect(asked.size, _connection_name(context), user)
        listening = asyncio.create_task(_listen(host, number, seat, answers_of))
        try:
            await context.write(answers.confirmed(host.subscription))
            while True:
                delivery = await seat.take()
                await context.write(answers.delivered(delivery, structured=asked.structured))
        finally:
            host.leave(number)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    @asynccontextmanager
    async def _operating(self, context: Context, name: Callable[[], Name]) -> AsyncIterator[Name]:
        """Let operators act on a group, and tell them why that cannot be done."""
        async with answering(context):
            await self._gate.admit_operator(context)
            with _named(name) as asked:
                yield asked

    @asynccontextmanager
    async def _asking(self, context: Context, name: Callable[[], Name]) -> AsyncIterator[Name]:
        """Let users ask how a group stands, and tell them why that cannot be told."""
        async with answering(context):
            await self._gate.admit_known(context)
            with _named(name) as asked:
                yield asked


async def _listen(host: Host, number: int, seat: Seat, answers_of: Requests) -> None:
    """Pass on what a consumer answers, until it says no more."""
    try:
        async for request in answers_of:
            host.tell(requests.answer_of(request, number))
    except Refusal as refusal:
        seat.end(refusal)


@contextmanager
def _named(name: Callable[[], Name]) -> Iterator[Name]:
    asked = name()
    with _told(asked):
        yield asked


@contextmanager
def _told(name: Name) -> Iterator[None]:
    try:
        yield
    except SubscriptionError as error:
        raise answers.refused(error, *name) from None


def _info(host: Host) -> persistent_pb2.SubscriptionInfo:
    return answers.info(host.subscription, host.figures())


def _listed(request: persistent_pb2.ListReq) -> Name:
    """The stream that is asked about, and no group."""
    return Name(requests.listed(request.options) or ALL, "")


def _connection_name(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == "connection-name":
            return str(value)
    return NAMELESS
