"""The persistent subscriptions of a store, while it is served."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from runtime.errors import (
    StoreClosed,
    StoreDamaged,
    StoreError,
    SubscriptionExists,
    SubscriptionFailed,
    SubscriptionMissing,
)
from runtime.store.pattern import check_pattern
from runtime.store.persistent.archive import Archive
from runtime.store.persistent.config import Config
from runtime.store.persistent.host import Caller, Host, dropped
from runtime.store.persistent.messages import Grown, ReplayAsked, Tick
from runtime.store.persistent.settings import Name, Subscription
from runtime.store.policy import ALL

TICK_SECONDS = 1.0
"""How often groups look for events that were not answered for in time."""


class Subsystem:
    """Creates, changes, deletes and runs groups. To be used inside one running event loop.

    Methods raise `SubscriptionMissing` where there is no group of that name, and
    `SubscriptionFailed` where the configuration of the store cannot be read, and
    `StoreClosed` while it stops.
    """

    def __init__(self, caller: Caller) -> None:
        """Use `open`."""
        self._caller = caller
        self._archive = Archive(caller.store)
        self._config = Config()
        self._damage: str | None = None
        self._running = False
        self._hosts: dict[Name, Host] = {}
        self._changing = asyncio.Lock()
        self._begun: set[asyncio.Task[None]] = set()
        self._clocks: list[asyncio.Task[None]] = []

    @classmethod
    async def open(cls, caller: Caller) -> Subsystem:
        """The groups that the store knows, at work until `close`."""
        subsystem = cls(caller)
        await subsystem._load()
        loop = asyncio.get_running_loop()
        clocks = (subsystem._tick(), subsystem._watch())
        subsystem._clocks = [loop.create_task(clock) for clock in clocks]
        return subsystem

    async def close(self) -> None:
        """Drop all consumers, and stop."""
        for clock in self._clocks:
            clock.cancel()
        async with self._changing:
            await self._stop()

    async def restart(self) -> None:
        """Drop all consumers, and begin anew with what the store holds."""
        await self._whole(self._restart())

    async def create(self, subscription: Subscription) -> None:
        """Make a group; durable when it returns.

        Raises `SubscriptionExists`, `SubscriptionFailed` and `FilterInvalid`.
        """
        await self._whole(self._create(subscription))

    async def update(self, subscription: Subscription) -> None:
        """Change the settings of a group, whose consumers are dropped; its filter stays.

        It goes on after its checkpoint; without one, what it is for since it was made is
        still to come. Raises `SubscriptionFailed`.
        """
        await self._whole(self._update(subscription))

    async def delete(self, name: Name) -> None:
        """Delete a group, where it has come and what it put aside; its consumers are dropped.

        One that cannot be deleted begins anew.
        """
        await self._whole(self._delete(name))

    async def replay(self, name: Name, stop_at: int | None) -> None:
        """Deliver parked events again: all there are now, or those before revision `stop_at`."""
        if stop_at is not None and stop_at < 0:
            raise SubscriptionFailed("Cannot stop replaying parked message at a negative version.")
        host = self.host(name)
        last = await self._caller.call(lambda: self._archive.end(name.parked))
        host.tell(ReplayAsked(last, stop_at))

    def host(self, name: Name) -> Host:
        """The group of that name."""
        self._check()
        found = self._hosts.get(name)
        if found is None:
            raise SubscriptionMissing(f"there is no group {name}: create it first")
        return found

    def hosts(self, stream: str | None = None) -> list[Host]:
        """All groups, or those of a stream, by name.

        Raises `SubscriptionMissing` if the stream has none.
        """
        self._check()
        found = [name for name in sorted(self._hosts) if stream in (None, name.stream)]
        if stream is not None and not found:
            raise SubscriptionMissing(f"there is no group on {stream!r}: create one first")
        return [self._hosts[name] for name in found]

    async def _whole(self, change: Coroutine[Any, Any, None]) -> None:
        """Carry a change out to its end, also if whoever asked for it goes away meanwhile."""
        task = asyncio.get_running_loop().create_task(change)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        await asyncio.shield(task)

    async def _restart(self) -> None:
        async with self._changing:
            await self._stop()
            await self._load()

    async def _create(self, subscription: Subscription) -> None:
        name = subscription.name
        async with self._changing:
            self._check()
            if str(name) in map(str, self._config.groups):
                raise SubscriptionExists(f"there is a group {name}: update it, or delete it first")
            checked = await self._checked(subscription)
            await self._save(self._config.with_group(checked))
            await self._begin(checked)

    async def _update(self, subscription: Subscription) -> None:
        name = subscription.name
        async with self._changing:
            old = self.host(name)
            kept = replace(subscription, only=old.subscription.only)
            checked = _since(old.subscription, await self._checked(kept))
            await self._save(self._config.with_group(checked))
            await old.close(dropped(name, "updated"))
            await self._begin(checked)

    async def _delete(self, name: Name) -> None:
        async with self._changing:
            host, changed = self.host(name), self._config.without(name)
            await host.close(dropped(name, "deleted"))
            try:
                await self._caller.call(lambda: self._archive.remove(changed, name))
            except StoreError:
                await self._begin(host.subscription)
                raise
            self._config = changed
            del self._hosts[name]

    def _check(self) -> None:
        if not self._running:
            raise StoreClosed("the persistent subscriptions are being stopped: try again")
        if self._damage is not None:
            raise SubscriptionFailed(self._damage)

    async def _checked(self, subscription: Subscription) -> Subscription:
        """The group with where its stream stands, if it can be served."""
        subscription.settings.check()
        check_pattern(subscription.only.stream_pattern)
        check_pattern(subscription.only.type_pattern)
        stream, start = subscription.name.stream, subscription.settings.start
        end = await self._caller.call(lambda: self._archive.end(stream))
        if stream == ALL and start is not None and start > max(end, 0):
            raise SubscriptionFailed(
                "Invalid Start From position: commit position must be less than or equal to"
                " the last commit position in the transaction file."
            )
        return replace(subscription, since=end)

    async def _save(self, changed: Config) -> None:
        await self._caller.call(lambda: self._archive.save(changed))
        self._config = changed

    async def _load(self) -> None:
        self._damage = None
        try:
            self._config = await self._caller.call(self._archive.config)
        except StoreDamaged as error:
            self._config, self._damage = Config(), str(error)
        for subscription in self._config.groups.values():
            await self._begin(subscription)
        self._running = True

    async def _begin(self, subscription: Subscription) -> None:
        read = partial(self._archive.standing, subscription.name)
        standing = await self._caller.call(read)
        self._hosts[subscription.name] = Host(self._caller, subscription, standing)

    async def _stop(self) -> None:
        self._running = False
        hosts, self._hosts = self._hosts, {}
        for name, host in hosts.items():
            await host.close(dropped(name, "stopped"))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            for host in tuple(self._hosts.values()):
                host.tell(Tick())

    async def _watch(self) -> None:
        """Tell groups of what is new in their streams, and only those."""
        seen = -1
        while True:
            grown = self._caller.growth()
            if not self._hosts:
                seen = -1
                await grown.wait()
                continue
            written: set[str] | None = None
            with suppress(StoreError):
                look = partial(self._archive.written, seen)
                written, seen = await self._caller.call(look)
            for (stream, _), host in tuple(self._hosts.items()):
                if written is None or stream in written or (stream == ALL and written):
                    host.tell(Grown())
            await grown.wait()


def _since(old: Subscription, new: Subscription) -> Subscription:
    """A changed group, which begins where the old one did if neither has a start."""
    started = (each.settings.start is not None for each in (old, new))
    return new if any(started) else replace(new, since=old.since)
