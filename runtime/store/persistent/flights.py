"""The events that consumers have and have not answered for. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import NamedTuple

from runtime.store.persistent.buffer import Held


class Flight(NamedTuple):
    """An event with a consumer: sent when, and when it is given up (seconds)."""

    held: Held
    consumer: int
    sent: float
    due: float


class Flights:
    """Events in flight, by their ids. `timeout` is in milliseconds, 0 or less: none."""

    def __init__(self, timeout: int) -> None:
        self._timeout = timeout / 1000 if timeout > 0 else inf
        self._flights: dict[bytes, Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, event_id: bytes) -> bool:
        return event_id in self._flights

    def start(self, held: Held, consumer: int, now: float) -> None:
        """A consumer has been given an event."""
        self._flights[held.event_id] = Flight(held, consumer, now, now + self._timeout)

    def end(self, event_id: bytes) -> Flight | None:
        """The flight of that event, which ends; None if it is not in flight."""
        return self._flights.pop(event_id, None)

    def expired(self, now: float) -> list[Flight]:
        """Those whose time is over, by place."""
        return _by_place(flight for flight in self._flights.values() if flight.due <= now)

    def of(self, consumer: int) -> list[Flight]:
        """Those of a consumer, by place."""
        return _by_place(each for each in self._flights.values() if each.consumer == consumer)

    def lowest(self) -> Held | None:
        """The event of the lowest place, apart from replays."""
        found = (flight.held for flight in self._flights.values() if not flight.held.replayed)
        return min(found, key=lambda held: held.place, default=None)


def _by_place(flights: Iterable[Flight]) -> list[Flight]:
    return sorted(flights, key=lambda flight: flight.held.key)
