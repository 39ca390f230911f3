"""How a run stands, in figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime.engine.credit import CreditStats


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """Sizes of the batches seen, in events."""

    count: int = 0
    total: int = 0
    smallest: int = 0
    largest: int = 0

    def with_batch(self, events: int) -> BatchSizes:
        """The sizes with one more batch."""
        smallest = min(self.smallest, events) if self.count else events
        return BatchSizes(self.count + 1, self.total + events, smallest, max(self.largest, events))


PERCENTILES = (0.5, 0.9, 0.99)
"""The percentiles of latency that are told."""


@dataclass(frozen=True, slots=True)
class StageStats:
    """How a stage stands.

    Events taken in and decided, its watermark, batches and credit; `retained` is what it
    holds until the next snapshot; `waiting` are due and not taken in, `conflated` and
    `rejected` were dropped since this process began; `again` is how many events hosts were given
    again, `parked` how many aggregates are in quarantine, `lost` how many key groups wait for a
    host. `rate` is in events a second; `latency` in seconds, from when an event was due until
    what it caused is durable, at each of `PERCENTILES`.
    """

    events: int
    decisions: int
    position: int
    batches: BatchSizes
    credit: CreditStats
    retained: CreditStats
    waiting: int
    conflated: int
    rejected: int
    snapshots: int
    again: int
    parked: int
    lost: int
    rate: float
    latency: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class UpgradeStats:
    """How the last upgrade stands.

    `preparing`, `switching`, `done`, `withdrawn`, or `refused` for a reason.

    `since` is the position from which on its hosts decide, by stage, once it is done.
    """

    edition: int
    state: str
    why: str = ""
    since: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HostStats:
    """A host: its number, its slot (-1 for a spare), where it is, its state, its work.

    `state` is `starting`, `ready`, `spare`, `leaving` or `next` (to take over in an upgrade);
    `groups` counts key groups over all stages, `work` the parts and snapshots it has not
    answered, `answered` those it has.
    """

    host: int
    slot: int
    place: str
    state: str
    groups: int
    work: int
    answered: int
