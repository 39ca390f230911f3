"""A subscription to a server's log that is read ahead, so that a lull in it can be told."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Empty, Full, Queue
from threading import Event, Thread
from types import TracebackType

from runtime.errors import StoreClosed
from runtime.events import RecordedEvent
from runtime.store.kurrent.client import Client
from runtime.store.kurrent.line import Line
from runtime.store.kurrent.reads import Reached

SILENCE = 20.0
"""Seconds after which a subscription is begun anew where it is, in case it died unnoticed."""

LULL = 0.05
"""Seconds without an event after which a subscription that is live has nothing more."""

AHEAD = 4096
"""Events that are held at the most."""

Item = RecordedEvent | Reached


class Pump:
    """Yields the events behind position `after` of the streams whose names match, and places.

    Goes on across lost connections. A live `Reached` is yielded each time there is nothing
    more for now. Ends when the line is closed; raises what ended the subscription.
    """

    def __init__(self, line: Line, after: int, names: str) -> None:
        self._line = line
        self._reached = after
        self._names = names
        self._items: Queue[Item | Exception] = Queue(AHEAD)
        self._over = Event()
        self._thread = Thread(target=self._run, name="lucent-subscription", daemon=True)

    def __enter__(self) -> Iterator[Item]:
        self._thread.start()
        return self._yielded()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()

    def _yielded(self) -> Iterator[Item]:
        live, reached = False, self._reached
        while True:
            try:
                item = self._items.get(timeout=LULL if live else None)
            except Empty:
                live = False
                yield Reached(reached, live=True)
                item = self._items.get()
                live = True
            if isinstance(item, StoreClosed):
                return
            if isinstance(item, Exception):
                raise item
            reached = max(reached, item.position)
            live = live or (isinstance(item, Reached) and item.live)
            yield item

    def _run(self) -> None:
        try:
            for item in self._line.lasting(self._begin):
                self._reached = max(self._reached, item.position)
                if not self._put(item):
                    return
        except Exception as error:  # noqa: BLE001 (raised to the reader)
            self._put(error)

    def _begin(self, client: Client) -> Iterator[Item]:
        after = self._reached if self._reached >= 0 else None
        return client.follow(after, self._names, SILENCE)

    def _put(self, item: Item | Exception) -> bool:
        """Hand `item` over; False if nobody waits for it any more."""
        while not self._over.is_set():
            try:
                self._items.put(item, timeout=SILENCE)
            except Full:
                continue
            return True
        return False
