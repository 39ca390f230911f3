"""What a group is told. Plain data, no behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from runtime.store.link import Resolved
from runtime.store.persistent.commands import Record


class Action(Enum):
    """What a consumer asks for with an event that it does not acknowledge."""

    UNKNOWN = 0
    PARK = 1
    RETRY = 2
    SKIP = 3
    STOP = 4


@dataclass(frozen=True, slots=True)
class Connected:
    """A consumer is there, and takes up to `size` events that it has not answered for.

    `name` is that of its connection, `user` who it is.
    """

    consumer: int
    size: int
    name: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A consumer is gone."""

    consumer: int


@dataclass(frozen=True, slots=True)
class PageRead:
    """The events from the place that was asked for up to `through`; `more`: some lie behind."""

    found: Sequence[Resolved]
    through: int
    more: bool


@dataclass(frozen=True, slots=True)
class ParkedRead:
    """Events of the parked stream, resolved, from the revision that was asked for on."""

    found: Sequence[Resolved]


@dataclass(frozen=True, slots=True)
class ReadFailed:
    """What was asked for, of the parked stream or not, could not be read."""

    parked: bool = False


@dataclass(frozen=True, slots=True)
class Grown:
    """There may be something new to read."""


@dataclass(frozen=True, slots=True)
class Acked:
    """A consumer has done its work with the events of these ids."""

    consumer: int
    ids: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Nacked:
    """A consumer has not done its work with the events of these ids; `action` is for all."""

    consumer: int
    ids: Sequence[bytes]
    action: Action
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReplayAsked:
    """Parked events are to be delivered again: up to `last`, the end, or before `stop_at`."""

    last: int
    stop_at: int | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A record is durable, at `revision` of its stream."""

    record: Record
    revision: int


@dataclass(frozen=True, slots=True)
class RecordFailed:
    """A record could not be stored."""

    record: Record


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Message = (
    Connected
    | Disconnected
    | PageRead
    | ParkedRead
    | ReadFailed
    | Grown
    | Acked
    | Nacked
    | ReplayAsked
    | Recorded
    | RecordFailed
    | Tick
)
