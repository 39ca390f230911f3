"""What hosts decide, and what they cannot decide on. Plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runtime.events import NewEvent, RecordedEvent, StrategyUpgraded

if TYPE_CHECKING:  # hosts import no feed: it would take them a fifth of a second
    from runtime.feeds import Drop


class Sealed(NamedTuple):
    """A signed event with its place; the supervisor forwards it and never decodes it."""

    stream: str
    revision: int
    event: NewEvent

    def recorded(self) -> RecordedEvent:
        """The event as the log has it; when it was recorded, and its position, are 0."""
        return RecordedEvent(0, self.stream, self.revision, *self.event[:4], 0, self.event.json)


class Who(NamedTuple):
    """An agent's aggregate: what is parked, and released, alone."""

    agent: str
    aggregate: str


class Parked(NamedTuple):
    """An aggregate cannot go on: its agent raises on the event at `position`.

    `error` and `trace` say what it raised, `state` is what it held before (as a snapshot
    holds it), `row` the event (an Arrow IPC stream). `after` and `attempts` are what a
    `Retryable` asked for, 0 for any other error; `tries` says how often it was tried again,
    `gone` how many of the events that were held are no longer.
    """

    who: Who
    position: int
    error: str
    trace: str
    state: bytes
    row: bytes
    after: float = 0.0
    attempts: int = 0
    tries: int = 0
    gone: int = 0


class Held(NamedTuple):
    """Events of a parked aggregate, from position `first` to `last`, as an Arrow IPC stream."""

    who: Who
    positions: tuple[int, ...]
    rows: bytes


class GroupResult(NamedTuple):
    """Of a key group of a part: the events decided in it, in order, and what was not decided."""

    group: int
    events: tuple[Sealed, ...]
    parked: tuple[Parked, ...] = ()
    held: tuple[Held, ...] = ()


Results = tuple[GroupResult, ...]
"""What a host decided on a part."""


class Release(NamedTuple):
    """A batch of events that were held of an aggregate; those from `then` on still are."""

    who: Who
    then: int | None


class Advanced(NamedTuple):
    """An aggregate was given `gone` events of those held; it is parked at `position` now."""

    who: Who
    position: int
    gone: int


class Freed(NamedTuple):
    """An aggregate goes on: it was given all that was held of it."""

    who: Who


class Releasing(NamedTuple):
    """An aggregate is about to be given what was held of it, up to position `last`.

    It was parked at `first`, and is not given that event if `drop`. What it decides comes
    late, and no later stage takes it in.
    """

    who: Who
    first: int
    last: int
    drop: bool


class Taken(NamedTuple):
    """A stage takes in what is below position `end`, without the rows that were dropped."""

    end: int
    dropped: tuple[Drop, ...]


class Switched(NamedTuple):
    """Agents decide with something else from here on."""

    upgrades: tuple[StrategyUpgraded, ...]


Notice = Parked | Held | Releasing | Advanced | Freed | Taken | Switched
"""What the log is told beside decisions: of quarantine, of what was taken in, of upgrades."""


class StageSnapshot(NamedTuple):
    """The state of the key groups that changed since the snapshot before, behind `cursor`.

    `whole`: there is none before it, what the store may hold is not to be used.
    """

    cursor: str
    parts: dict[int, bytes]
    whole: bool
