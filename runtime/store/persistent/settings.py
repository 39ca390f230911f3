"""What a persistent subscription is: its name, its settings, which events it is for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from runtime.errors import SubscriptionFailed
from runtime.store.persistent.strategy import STRATEGIES
from runtime.store.port import Filter

MAX_PAGE, MAX_HELD = 1_000, 100_000
"""Events that are read at once, and held by a group, at the most, whatever its settings say."""

MAX_BYTES = 64 * 1024 * 1024
"""Bytes of events that a group holds, with consumers or for them, before it reads on."""

_EVERYTHING = Filter()


class Name(NamedTuple):
    """A group of consumers and the stream that they share, `$all` for the whole log.

    >>> str(Name("orders", "billing"))
    'orders::billing'
    """

    stream: str
    group: str

    def __str__(self) -> str:
        return f"{self.stream}::{self.group}"

    @property
    def checkpoints(self) -> str:
        """The stream that tells how far the group has come."""
        return f"$persistentsubscription-{self}-checkpoint"

    @property
    def parked(self) -> str:
        """The stream of links to the events that were put aside."""
        return f"$persistentsubscription-{self}-parked"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a group is served; the defaults are those of KurrentDB. Times are in milliseconds.

    `start` is the first revision or position, None for what comes after the creation. A
    `message_timeout` of 0 or less is none. `max_subscribers` 0 lets any number read. As
    many events as `history_buffer` are held for consumers that have no room, and
    `read_batch` are read at once. `live_buffer` is kept for clients, and bounds nothing.
    """

    start: int | None = None
    resolve: bool = False
    strategy: str = "RoundRobin"
    message_timeout: int = 30_000
    max_retries: int = 10
    checkpoint_after: int = 2_000
    min_checkpoint: int = 10
    max_checkpoint: int = 1_000
    max_subscribers: int = 0
    live_buffer: int = 500
    read_batch: int = 20
    history_buffer: int = 500
    extra_statistics: bool = False

    @property
    def page(self) -> int:
        """Events that are read at once."""
        return min(self.read_batch, MAX_PAGE)

    @property
    def room(self) -> int:
        """Events that are held for consumers that have no room."""
        return min(self.history_buffer, MAX_HELD)

    def check(self) -> None:
        """Raise `SubscriptionFailed` if a group cannot be served so."""
        if self.strategy not in STRATEGIES:
            raise SubscriptionFailed(f"Consumer strategy {self.strategy} does not exist.")
        if self.read_batch >= self.history_buffer:
            raise SubscriptionFailed(
                "ReadBatchSize may not be greater than or equal to BufferSize"
                f" ({self.read_batch} and {self.history_buffer})"
            )
        if self.read_batch < 1:
            raise SubscriptionFailed(f"ReadBatchSize must be at least 1, not {self.read_batch}")


@dataclass(frozen=True, slots=True)
class Subscription:
    """A group and its settings; `only` is for `$all`.

    `since` is where the log, or the stream, stood when a group without a start was made.
    """

    name: Name
    settings: Settings
    only: Filter = _EVERYTHING
    since: int = -1

    @property
    def first(self) -> int:
        """The revision or position that is read first, if there is no checkpoint."""
        return self.since + 1 if self.settings.start is None else self.settings.start

    @property
    def filtered(self) -> bool:
        """Whether it is for some events of the log only."""
        return self.only != _EVERYTHING
