"""The events that a group holds and that no consumer has: retries, replays, new ones. Pure."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from runtime.store.link import Resolved


@dataclass(frozen=True, slots=True)
class Held:
    """An event in the hands of a group.

    `place` is its revision or position where it was read, and that is the parked stream
    if it is `replayed`. `before` is how far the group had looked when it met it, `ordinal`
    counts the events that it met. `retries` tells how often it was delivered before.
    """

    found: Resolved
    place: int
    before: int | None = None
    ordinal: int = 0
    retries: int = 0
    replayed: bool = False

    @property
    def event_id(self) -> bytes:
        """The id by which consumers answer: that of the link, if there is one."""
        return self.found.original.event_id

    @property
    def key(self) -> tuple[bool, int]:
        """What tells it from all others of its group."""
        return self.replayed, self.place

    def again(self) -> Held:
        """The same, to be delivered once more."""
        return replace(self, retries=self.retries + 1)


class Buffer:
    """Gives events in this order: retries by place, replays as they came, then new ones."""

    def __init__(self) -> None:
        self._retries: list[Held] = []
        self._replays: deque[Held] = deque()
        self._fresh: deque[Held] = deque()

    def __len__(self) -> int:
        return self.retried + len(self._fresh)

    @property
    def retried(self) -> int:
        """How many are there to be delivered again."""
        return len(self._retries) + len(self._replays)

    @property
    def fresh(self) -> int:
        """How many were never offered to a consumer."""
        return len(self._fresh)

    def add(self, held: Held) -> None:
        """Put a new event behind all others."""
        self._fresh.append(held)

    def add_again(self, held: Held) -> None:
        """Put an event before the new ones: a replay behind the others, a retry at its place."""
        if held.replayed:
            self._replays.append(held)
        else:
            insort(self._retries, held, key=lambda each: each.place)

    def drain(self, give: Callable[[Held], bool], can_go_on: Callable[[], bool]) -> None:
        """Offer events to `give` as long as `can_go_on`; it answers whether it took one.

        New ones that it does not take wait with the retries, so that others pass them.
        """
        if not can_go_on():
            return
        self._retries = [h for h in self._retries if not (can_go_on() and give(h))]
        self._replays = deque(h for h in self._replays if not (can_go_on() and give(h)))
        while self._fresh and can_go_on():
            held = self._fresh.popleft()
            if not give(held):
                self.add_again(held)

    def lowest(self) -> Held | None:
        """The event of the lowest place, apart from replays."""
        first = [*self._retries[:1], *([self._fresh[0]] if self._fresh else [])]
        return min(first, key=lambda held: held.place, default=None)
