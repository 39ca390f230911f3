"""What the supervisor is told. Plain data, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from runtime.engine.results import Results, Taken, Who
from runtime.engine.suspicion import Piece
from runtime.errors import LucentError
from runtime.events import StrategyUpgraded


@dataclass(frozen=True, slots=True)
class BatchArrived:
    """A feed gave a batch: its rows, the position it reaches, where to go on behind it.

    `at` is when it came due (seconds of the clock that `Tick` tells). `taken` is to be
    recorded before anything is decided on it; `waiting` is how many rows are due behind it,
    `age` for how many seconds its first row had been due when it was read.
    """

    stage: str
    rows: pa.RecordBatch
    end: int
    cursor: str
    at: float = 0.0
    taken: Taken | None = None
    waiting: int = 0
    age: float = 0.0


@dataclass(frozen=True, slots=True)
class FeedIdle:
    """A feed has nothing to give until it is told of a watermark beyond `watermark`, or ready."""

    stage: str
    watermark: int = -1


@dataclass(frozen=True, slots=True)
class FeedReady:
    """A feed that was idle has something to give."""

    stage: str


@dataclass(frozen=True, slots=True)
class FeedEnded:
    """A feed has given all it will ever give."""

    stage: str


@dataclass(frozen=True, slots=True)
class HostReady:
    """A host has been started, at `place`, and can be given work."""

    host: int
    place: str = ""


@dataclass(frozen=True, slots=True)
class HostLost:
    """A host is gone, and all it held with it."""

    host: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class HostRefused:
    """A host cannot decide: what it is to do so with cannot be loaded, or cannot read state."""

    host: int
    error: LucentError


@dataclass(frozen=True, slots=True)
class HostAnswered:
    """A host has decided on its part of a batch; of a muted part it tells what it parked alone.

    There are no results of key groups in which an agent `raised`: what the host holds of
    them cannot be used any more. `piece`: of which piece of a part they are.
    """

    stage: str
    seq: int
    host: int
    ticket: int
    results: Results
    raised: tuple[int, ...] = ()
    piece: Piece | None = None


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    """A host's state of a stage as `barrier` asked for it, by key group."""

    stage: str
    barrier: int
    host: int
    ticket: int
    parts: dict[int, bytes]


@dataclass(frozen=True, slots=True)
class StateRead:
    """A host could read the state that it was to read."""

    host: int
    ticket: int


@dataclass(frozen=True, slots=True)
class Committed:
    """Commits up to number `commit` are durable since `at`; `log` is the log's last position."""

    commit: int
    log: int
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: `now` is in seconds, of a clock that never goes back."""

    now: float


@dataclass(frozen=True, slots=True)
class ScaleTo:
    """From now on there are to be `hosts` hosts."""

    hosts: int


@dataclass(frozen=True, slots=True)
class UpgradeRequested:
    """Let hosts of `edition`, a number never used before, take over while the run goes on.

    `changes` are what is new in each stage, from a position that is found when they take
    over, and not below `reached`: the log may hold decisions up to there that the run made
    before it was resumed. `columns` is what its stages read of decisions.
    """

    edition: int
    changes: Mapping[str, tuple[StrategyUpgraded, ...]]
    reached: Mapping[str, int]
    columns: Mapping[str, Mapping[str, type]]


@dataclass(frozen=True, slots=True)
class UpgradeWithdrawn:
    """Give up the upgrade under way, if hosts have not taken over: those that work go on."""


@dataclass(frozen=True, slots=True)
class ReleaseRequested:
    """Let a parked aggregate go on with what was held of it; `drop`: without the first event."""

    who: Who
    drop: bool = False


@dataclass(frozen=True, slots=True)
class HeldRead:
    """What the log holds of a parked aggregate: batches of its events, in order."""

    stage: str
    who: Who
    batches: tuple[pa.RecordBatch, ...]


@dataclass(frozen=True, slots=True)
class DrainRequested:
    """Take nothing more in until `ResumeRequested`; finish what is under way."""


@dataclass(frozen=True, slots=True)
class ResumeRequested:
    """Take in again."""


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Take nothing more in, finish what is under way, and end."""


Message = (
    BatchArrived
    | FeedIdle
    | FeedEnded
    | FeedReady
    | HostReady
    | HostLost
    | HostRefused
    | HostAnswered
    | SnapshotTaken
    | StateRead
    | Committed
    | Tick
    | ScaleTo
    | UpgradeRequested
    | UpgradeWithdrawn
    | ReleaseRequested
    | HeldRead
    | DrainRequested
    | ResumeRequested
    | StopRequested
)
