"""Consumer strategies: which consumer of a group an event is for. Pure.

All are best efforts: none of them keeps an order.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Protocol
from zlib import crc32

import msgspec

from runtime.store.link import LINK_TYPE, Resolved, target_of

BUCKETS = 1024
"""Into how many parts the pinned strategies divide what they look at."""

HasRoom = Callable[[int], bool]
"""Whether a consumer, by its number, can take another event."""


class Strategy(Protocol):
    """Chooses among the consumers that have joined, by their numbers."""

    def join(self, consumer: int) -> None:
        """Take a consumer in."""

    def leave(self, consumer: int) -> None:
        """Let a consumer go that joined."""

    def choose(self, found: Resolved, has_room: HasRoom) -> int | None:
        """Who takes the event; None if whoever it is for has no room."""


class RoundRobin:
    """The next consumer that has room."""

    def __init__(self) -> None:
        self._consumers: deque[int] = deque()

    def join(self, consumer: int) -> None:
        self._consumers.append(consumer)

    def leave(self, consumer: int) -> None:
        self._consumers.remove(consumer)

    def choose(self, _found: Resolved, has_room: HasRoom) -> int | None:
        for _ in range(len(self._consumers)):
            consumer = self._consumers[0]
            self._consumers.rotate(-1)
            if has_room(consumer):
                return consumer
        return None


class DispatchToSingle(RoundRobin):
    """One consumer until it has no room, then the next."""

    def choose(self, _found: Resolved, has_room: HasRoom) -> int | None:
        for _ in range(len(self._consumers)):
            consumer = self._consumers[0]
            if has_room(consumer):
                return consumer
            self._consumers.rotate(-1)
        return None


class Pinned:
    """The consumer to which the stream of the event is bound, as long as that is there.

    A link that is not resolved counts for the stream it points to. Names are hashed into
    buckets; one that is not bound goes to the consumer with the fewest.
    """

    def __init__(self) -> None:
        self._bound: dict[int, int] = {}
        self._share: Counter[int] = Counter()

    def join(self, consumer: int) -> None:
        self._share[consumer] = 0

    def leave(self, consumer: int) -> None:
        del self._share[consumer]
        self._bound = {bucket: who for bucket, who in self._bound.items() if who != consumer}

    def choose(self, found: Resolved, has_room: HasRoom) -> int | None:
        if not self._share:
            return None
        bucket = crc32(self.key(found).encode()) % BUCKETS
        consumer = self._bound.get(bucket)
        if consumer is None:
            consumer = min(self._share, key=lambda each: self._share[each])
            self._bound[bucket] = consumer
            self._share[consumer] += 1
        return consumer if has_room(consumer) else None

    def key(self, found: Resolved) -> str:
        """What the event is bound by."""
        event = found.event or found.original
        target = target_of(event) if event.type == LINK_TYPE else None
        return event.stream if target is None else target[0]


class PinnedByCorrelation(Pinned):
    """As `Pinned`, by the `$correlationId` of the event's metadata where there is one."""

    def key(self, found: Resolved) -> str:
        """The correlation id, or the stream."""
        event = found.event or found.original
        try:
            fields = msgspec.json.decode(event.metadata, type=_Correlated)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return super().key(found)
        return fields.correlation or super().key(found)


class _Correlated(msgspec.Struct):
    correlation: str | None = msgspec.field(default=None, name="$correlationId")


STRATEGIES: Mapping[str, Callable[[], Strategy]] = {
    "DispatchToSingle": DispatchToSingle,
    "Pinned": Pinned,
    "PinnedByCorrelation": PinnedByCorrelation,
    "RoundRobin": RoundRobin,
}
"""The strategies by the names that clients use."""
