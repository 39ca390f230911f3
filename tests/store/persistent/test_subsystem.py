"""Groups of a store that is served, as the server changes them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from runtime.errors import SubscriptionExists
from runtime.store import SqliteStore
from runtime.store.persistent import Name, Settings, Subscription, Subsystem
from runtime.store.wire.desk import Desk

GROUP = Subscription(Name("s-1", "g"), Settings(start=0))


@pytest.mark.parametrize("turns", range(1, 8))
def test_a_change_is_whole_though_its_client_goes_away(tmp_path: Path, turns: int) -> None:
    """However far it has come by then, in turns of the event loop."""

    async def leave(change: asyncio.Task[None]) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        change.cancel()
        with suppress(asyncio.CancelledError):
            await change

    async def run(store: SqliteStore) -> None:
        desk = Desk(store)
        subsystem = await Subsystem.open(desk)
        loop = asyncio.get_running_loop()
        await leave(loop.create_task(subsystem.create(GROUP)))
        await leave(loop.create_task(subsystem.restart()))
        with pytest.raises(SubscriptionExists):
            await subsystem.create(GROUP)
        await leave(loop.create_task(subsystem.update(GROUP)))
        await leave(loop.create_task(subsystem.delete(GROUP.name)))
        await subsystem.create(GROUP)
        subsystem.host(GROUP.name).connect(1, "", "")
        await subsystem.close()
        desk.close()

    with SqliteStore.open(tmp_path / "events.db") as store:
        asyncio.run(run(store))
