"""Credit: how much unfinished work a stage may hold."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.errors import ConfigError


@dataclass(frozen=True, slots=True)
class CreditLimits:
    """Limits of a stage: unfinished events, their bytes, and events in one batch.

    Raises `ConfigError` unless all are at least 1.
    """

    events: int = 65_536
    bytes: int = 64 * 1024 * 1024
    batch: int = 8_192

    def __post_init__(self) -> None:
        for name, value in (("events", self.events), ("bytes", self.bytes), ("batch", self.batch)):
            if value < 1:
                raise ConfigError(f"credit.{name} must be at least 1, was {value}")

    def retention(self, snapshot_events: int) -> CreditLimits:
        """What may be held: up to two intervals between snapshots, beside what is unfinished."""
        return CreditLimits(2 * snapshot_events + self.events, 3 * self.bytes, self.batch)


@dataclass(frozen=True, slots=True)
class CreditStats:
    """Events and bytes now in use, and the most that ever were."""

    events: int
    bytes: int
    peak_events: int
    peak_bytes: int


EVENT_BYTES = 64
"""First guess of the size of an event, until a batch was seen."""


class CreditWindow:
    """Counts the unfinished events and bytes of a stage against its limits.

    `room()` says how many events may be asked for next: 0 while either limit is reached.
    Bytes of events not yet seen are estimated from those taken before, so a batch may pass
    the byte limit by what it is larger than that estimate, and by no more than itself.

    >>> window = CreditWindow(CreditLimits(events=10, batch=4), 1)
    >>> window.room(), window.take(4, 4), window.take(4, 4), window.room()
    (4, None, None, 2)
    >>> window.give(4, 4), window.stats().peak_events
    (None, 8)
    """

    def __init__(self, limits: CreditLimits, event_bytes: int = EVENT_BYTES) -> None:
        self._limits = limits
        self._event_bytes = float(max(1, event_bytes))
        self._events = self._bytes = 0
        self._peak_events = self._peak_bytes = 0

    def room(self) -> int:
        """How many events may be asked for now."""
        free_bytes = self._limits.bytes - self._bytes
        if free_bytes <= 0:
            return 0
        by_bytes = max(1, int(free_bytes / self._event_bytes))
        return max(0, min(self._limits.batch, self._limits.events - self._events, by_bytes))

    def take(self, events: int, size: int) -> None:
        """Count a batch that has arrived."""
        self._events += events
        self._bytes += size
        self._peak_events = max(self._peak_events, self._events)
        self._peak_bytes = max(self._peak_bytes, self._bytes)
        if events:
            self._event_bytes = max(1.0, size / events)

    def give(self, events: int, size: int) -> None:
        """Give back the credit of a batch that is durable."""
        self._events -= events
        self._bytes -= size
        assert self._events >= 0, "more credit given back than taken"

    @property
    def idle(self) -> bool:
        """Whether nothing is unfinished: then a whole block may be asked for, however large."""
        return self._events == 0 and self._bytes == 0

    @property
    def load(self) -> float:
        """The share of the limits that is in use, of events or bytes, 0 to 1."""
        used = max(self._events / self._limits.events, self._bytes / self._limits.bytes)
        return min(1.0, used)

    def stats(self) -> CreditStats:
        """What is in use now, and the peaks."""
        return CreditStats(self._events, self._bytes, self._peak_events, self._peak_bytes)
