"""The consumers of a group: who has room, and what each has done. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from runtime.store.link import Resolved
from runtime.store.persistent.messages import Connected
from runtime.store.persistent.meter import Latencies, Meter, Rate
from runtime.store.persistent.settings import Settings
from runtime.store.persistent.strategy import STRATEGIES


class ConsumerInfo(NamedTuple):
    """A consumer's figures; `room` is how many events more it takes, latencies are in ms."""

    name: str
    user: str
    rate: Rate
    room: int
    in_flight: int
    latencies: dict[str, int]


@dataclass(slots=True)
class _Consumer:
    name: str
    user: str
    size: int
    meter: Meter
    in_flight: int = 0
    latencies: Latencies = field(default_factory=Latencies)


class Roster:
    """Who is connected. A consumer has room for `size` events in flight."""

    def __init__(self, settings: Settings) -> None:
        self._strategy = STRATEGIES[settings.strategy]()
        self._most = settings.max_subscribers
        self._timed = settings.extra_statistics
        self._consumers: dict[int, _Consumer] = {}
        self._room = 0

    def __len__(self) -> int:
        return len(self._consumers)

    @property
    def full(self) -> bool:
        """Whether no other consumer may connect."""
        return 0 < self._most <= len(self._consumers)

    @property
    def has_room(self) -> bool:
        """Whether any consumer can take an event."""
        return self._room > 0

    def join(self, connected: Connected, now: float) -> None:
        """Take a consumer in."""
        self._consumers[connected.consumer] = _Consumer(
            connected.name, connected.user, connected.size, Meter(now)
        )
        self._room += connected.size
        self._strategy.join(connected.consumer)

    def leave(self, consumer: int) -> bool:
        """Let a consumer go, whose events are no longer in flight; False if it was not there."""
        gone = self._consumers.pop(consumer, None)
        if gone is None:
            return False
        self._room -= gone.size - gone.in_flight
        self._strategy.leave(consumer)
        return True

    def choose(self, found: Resolved) -> int | None:
        """Who is to be given an event, if whoever it is for has room."""
        return self._strategy.choose(found, self._can_take)

    def give(self, consumer: int) -> None:
        """An event went to a consumer."""
        given = self._consumers[consumer]
        given.in_flight += 1
        given.meter.count()
        self._room -= 1

    def free(self, consumer: int, seconds: float) -> None:
        """An event that a consumer had for that long is no longer in flight."""
        freed = self._consumers[consumer]
        freed.in_flight -= 1
        self._room += 1
        if self._timed:
            freed.latencies.add(int(seconds * 1000))

    def info(self, now: float) -> list[ConsumerInfo]:
        """The figures of each, in the order in which they came."""
        return [
            ConsumerInfo(
                each.name,
                each.user,
                each.meter.measure(now),
                each.size - each.in_flight,
                each.in_flight,
                each.latencies.figures(),
            )
            for each in self._consumers.values()
        ]

    def _can_take(self, consumer: int) -> bool:
        asked = self._consumers[consumer]
        return asked.in_flight < asked.size
