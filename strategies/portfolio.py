"""What an allocator knows: the pools it heard of, and the one it holds."""

from __future__ import annotations

from dataclasses import dataclass, field

DAY = 86_400_000_000_000
"""Nanoseconds."""


@dataclass(slots=True)
class Pool:
    """What was last heard of a pool; times in ns.

    `forecast` is a fraction a year, `heard_at` when it was made, `barred_until` when the pool
    may be entered again, `frozen` whether it was rejected as frozen.
    """

    forecast: float = 0.0
    confidence: float = 0.0
    heard_at: int = 0
    barred_until: int = 0
    frozen: bool = False


@dataclass(slots=True)
class Portfolio:
    """Pools by name, the one held ("" for none) and since when, and who leads for how long.

    `leader` would be moved to but for the patience asked for, and has led for `led`
    consecutive events.
    """

    pools: dict[str, Pool] = field(default_factory=dict)
    held: str = ""
    moved_at: int = 0
    leader: str = ""
    led: int = 0

    def pool(self, name: str) -> Pool:
        """The pool of that name, which is new if it was not heard of before."""
        return self.pools.setdefault(name, Pool())

    def forget(self, most: int) -> None:
        """Drop the pools heard of longest ago until `most` are left; the one held stays.

        Of pools heard of at the same time the first by name is dropped.
        """
        while len(self.pools) > most:
            others = [name for name in self.pools if name != self.held]
            del self.pools[min(others, key=lambda name: (self.pools[name].heard_at, name))]

    def best(self, now: int, max_age: int, least: float) -> str:
        """The pool of the highest forecast that may be entered; the first by name of several.

        A pool may be entered if it is neither barred nor frozen, its forecast is not older
        than `max_age` ns and at least `least`; "" if there is none.
        """
        fit = [
            (-pool.forecast, name)
            for name, pool in self.pools.items()
            if not pool.frozen
            and pool.barred_until <= now <= pool.heard_at + max_age
            and pool.forecast >= least
        ]
        return min(fit)[1] if fit else ""

    def lead(self, leader: str) -> int:
        """Note who leads on this event ("" for nobody); for how many events in a row now."""
        self.led = self.led + 1 if leader and leader == self.leader else int(bool(leader))
        self.leader = leader
        return self.led

    def move(self, name: str, now: int) -> None:
        """Hold `name` from `now` on ("" for none)."""
        self.held, self.moved_at = name, now
        self.lead("")
