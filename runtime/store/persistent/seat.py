"""Where a consumer is handed its events."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from runtime.store.persistent.commands import Deliver


class Seat:
    """Holds what a consumer has not taken yet; used inside one event loop.

    It holds no more than the consumer has in flight.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[bytes, Deliver] = OrderedDict()
        self._changed = asyncio.Event()
        self._over: Exception | None = None

    def put(self, delivery: Deliver) -> None:
        """Hand over an event."""
        self._waiting[delivery.found.original.event_id] = delivery
        self._changed.set()

    def withdraw(self, event_id: bytes) -> None:
        """Take an event back that was not taken yet."""
        self._waiting.pop(event_id, None)

    def end(self, error: Exception) -> None:
        """Let the consumer have nothing more, for that reason."""
        self._over = self._over or error
        self._changed.set()

    async def take(self) -> Deliver:
        """The next event; waits for one. Raises why there will be none."""
        while not self._waiting and self._over is None:
            self._changed.clear()
            await self._changed.wait()
        if self._over is not None:
            raise self._over
        return self._waiting.popitem(last=False)[1]
