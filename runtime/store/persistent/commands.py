"""What a group asks for. Plain data, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.store.link import Resolved
from runtime.store.persistent.buffer import Held


@dataclass(frozen=True, slots=True)
class Deliver:
    """Give an event to a consumer, which has been given it `retries` times before, or another."""

    consumer: int
    found: Resolved
    retries: int


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Do not give the event of that id to a consumer, if that was not done yet."""

    consumer: int
    event_id: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """Read events from the place `start` on, `limit` at the most."""

    start: int
    limit: int


@dataclass(frozen=True, slots=True)
class ReadParked:
    """Read parked events from revision `start` on, `limit` at the most."""

    start: int
    limit: int


@dataclass(frozen=True, slots=True)
class Park:
    """Put an event aside."""

    held: Held
    reason: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Write down that all up to `place` is done with."""

    place: int


@dataclass(frozen=True, slots=True)
class Truncate:
    """Cut the parked stream before a revision."""

    before: int


Record = Park | Checkpoint | Truncate
"""What is to be made durable; told by `Recorded` or `RecordFailed`."""

Command = Deliver | Withdraw | Read | ReadParked | Record
