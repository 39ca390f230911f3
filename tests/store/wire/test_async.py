"""What KurrentDB's asynchronous Python client sees of a store that is served."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
from esdbclient import AsyncEventStoreDBClient, CaughtUp, NewEvent, StreamState
from esdbclient.exceptions import NotFound, StreamIsDeleted, WrongCurrentVersion

from tests.support.server import Server, serving

ANY, NO_STREAM = StreamState.ANY, StreamState.NO_STREAM
SECONDS = 30

Act = Callable[[AsyncEventStoreDBClient], Awaitable[None]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("served") / "served.db") as process:
        yield process
        assert process.complaints() == ""


def using(server: Server, act: Act) -> None:
    async def run() -> None:
        client = AsyncEventStoreDBClient(server.uri)
        await client.connect()
        try:
            await asyncio.wait_for(act(client), SECONDS)
        finally:
            await client.close()

    asyncio.run(run())


def new(count: int, kind: str = "Seen") -> list[NewEvent]:
    return [NewEvent(kind, b"%d" % number) for number in range(count)]


def test_appends_and_reads(server: Server) -> None:
    async def act(client: AsyncEventStoreDBClient) -> None:
        events = new(600)
        at = await client.append_to_stream("a-1", current_version=NO_STREAM, events=events)
        again = await client.append_to_stream("a-1", current_version=NO_STREAM, events=events)
        assert again == at
        with pytest.raises(WrongCurrentVersion):
            await client.append_to_stream("a-1", current_version=3, events=new(1))
        found = await client.get_stream("a-1")
        assert [e.id for e in found] == [e.id for e in events]
        back = await client.get_stream("a-1", backwards=True, limit=2)
        assert [e.stream_position for e in back] == [599, 598]
        log = [e.commit_position async for e in await client.read_all()]
        assert log == sorted(log)
        assert log[-1] == at

    using(server, act)


def test_deletions_and_metadata(server: Server) -> None:
    async def act(client: AsyncEventStoreDBClient) -> None:
        await client.append_to_stream("d-1", current_version=ANY, events=new(3))
        await client.set_stream_metadata("d-1", metadata={"$maxCount": 1})
        assert await client.get_stream_metadata("d-1") == ({"$maxCount": 1}, 0)
        assert len(await client.get_stream("d-1")) == 1
        await client.delete_stream("d-1", current_version=2)
        with pytest.raises(NotFound):
            await client.get_stream("d-1")
        await client.tombstone_stream("d-1", current_version=ANY)
        with pytest.raises(StreamIsDeleted):
            await client.get_stream("d-1")

    using(server, act)


def test_subscriptions(server: Server) -> None:
    async def act(client: AsyncEventStoreDBClient) -> None:
        await client.append_to_stream("s-1", current_version=ANY, events=new(3))
        subscription = await client.subscribe_to_stream("s-1", include_caught_up=True)
        assert [(await anext(subscription)).data for _ in range(3)] == [b"0", b"1", b"2"]
        assert isinstance(await anext(subscription), CaughtUp)
        log = await client.subscribe_to_all(from_end=True, filter_include=("Live",))
        waiting = [asyncio.create_task(anext(each)) for each in (subscription, log)]
        await client.append_to_stream("s-1", current_version=2, events=new(1, "Live"))
        assert [(await each).stream_position for each in waiting] == [3, 3]
        await subscription.stop()
        await log.stop()

    using(server, act)
