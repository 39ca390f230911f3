"""What many calls append, stored together by a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread

from runtime.store.port import Appended, Write

Outcome = list[Appended] | Exception
"""Where the appends of a write ended, or why nothing of it was stored."""

Store = Callable[[Sequence[Write]], Sequence[Outcome]]
"""Stores writes in one transaction, each wholly or not at all."""


@dataclass(slots=True, eq=False)
class _Waiting:
    writes: Sequence[Write]
    outcomes: asyncio.Future[list[Outcome]]


class Commits:
    """Gathers what comes while a transaction is under way; all of it makes up the next one.

    To be made and used inside one running event loop. A call that is given up meanwhile is
    stored all the same.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        Thread(target=self._run, name="commits", daemon=True).start()

    async def write(self, writes: Sequence[Write]) -> list[Outcome]:
        """What each of `writes` came to, in their order; durable when it returns."""
        waiting = _Waiting(writes, self._loop.create_future())
        self._queue.put(waiting)
        return await waiting.outcomes

    def close(self) -> None:
        """End the thread, behind what it was given."""
        self._queue.put(None)

    def _run(self) -> None:
        while together := self._gathered():
            told = self._committed([write for one in together for write in one.writes])
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_tell, together, told)

    def _gathered(self) -> list[_Waiting]:
        """All that waits, once there is any; nothing at the end."""
        together: list[_Waiting] = []
        one = self._queue.get()
        while one is not None:
            together.append(one)
            if self._queue.empty():
                return together
            one = self._queue.get()
        if together:
            self._queue.put(None)
        return together

    def _committed(self, writes: Sequence[Write]) -> Sequence[Outcome] | Exception:
        try:
            return self._store(writes)
        except Exception as error:  # noqa: BLE001 (handed to those who wait)
            return error


def _tell(together: Sequence[_Waiting], told: Sequence[Outcome] | Exception) -> None:
    at = 0
    for one in together:
        begin, at = at, at + len(one.writes)
        if one.outcomes.done():
            continue
        if isinstance(told, Exception):
            one.outcomes.set_exception(told)
        else:
            one.outcomes.set_result(list(told[begin:at]))
