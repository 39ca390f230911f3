"""What many calls append, stored together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from runtime.store.port import Appended, Write

Outcome = list[Appended] | Exception
"""Where the appends of a write ended, or why nothing of it was stored."""

Store = Callable[[Sequence[Write]], Awaitable[list[Outcome]]]
"""Stores writes in one transaction, each wholly or not at all."""


@dataclass(slots=True, eq=False)
class _Waiting:
    writes: Sequence[Write]
    outcomes: asyncio.Future[list[Outcome]]


class Commits:
    """Gathers what comes while a transaction is under way; all of it makes up the next one.

    To be used inside one running event loop. A call that is given up meanwhile is stored
    all the same.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[_Waiting] = []
        self._working: asyncio.Task[None] | None = None

    async def write(self, writes: Sequence[Write]) -> list[Outcome]:
        """What each of `writes` came to, in their order; durable when it returns."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(writes, loop.create_future())
        self._waiting.append(waiting)
        if self._working is None:
            self._working = loop.create_task(self._work())
        return await waiting.outcomes

    async def _work(self) -> None:
        try:
            while self._waiting:
                together, self._waiting = self._waiting, []
                await self._commit(together)
        finally:
            self._working = None

    async def _commit(self, together: list[_Waiting]) -> None:
        try:
            outcomes = iter(await self._store([w for one in together for w in one.writes]))
        except Exception as error:  # noqa: BLE001 (handed to those who wait)
            for one in together:
                if not one.outcomes.done():
                    one.outcomes.set_exception(error)
            return
        for one in together:
            own = [next(outcomes) for _ in one.writes]
            if not one.outcomes.done():
                one.outcomes.set_result(own)
