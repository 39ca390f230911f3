"""What the supervisor is told, and what it orders. Plain data, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa


class Sealed(NamedTuple):
    """A signed event with its place; the supervisor forwards it and never decodes it."""

    stream: str
    revision: int
    event_id: bytes
    type: str
    data: bytes
    metadata: bytes


Results = tuple[tuple[int, tuple[Sealed, ...]], ...]
"""Of each key group of a part: the events decided in it, in order."""


@dataclass(frozen=True, slots=True)
class BatchArrived:
    """A feed gave a batch: its rows, the position it reaches, where to go on behind it.

    `at` is when it was asked for (seconds of the clock that `Tick` tells).
    """

    stage: str
    rows: pa.RecordBatch
    end: int
    cursor: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class FeedIdle:
    """A feed has nothing more to give until it is told of a watermark beyond `watermark`."""

    stage: str
    watermark: int = -1


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
class HostAnswered:
    """A host has decided on its part of a batch; of a muted part there are no results."""

    stage: str
    seq: int
    host: int
    ticket: int
    results: Results


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    """A host's state of a stage as `barrier` asked for it, by key group."""

    stage: str
    barrier: int
    host: int
    ticket: int
    parts: dict[int, bytes]


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
    | HostReady
    | HostLost
    | HostAnswered
    | SnapshotTaken
    | Committed
    | Tick
    | ScaleTo
    | DrainRequested
    | ResumeRequested
    | StopRequested
)


@dataclass(frozen=True, slots=True)
class Pull:
    """Ask the feed of `stage` for at most `limit` events."""

    stage: str
    limit: int


@dataclass(frozen=True, slots=True)
class Advance:
    """Tell the feed of `stage` that the log holds, up to position `log`, all decisions
    caused before position `watermark`; `ended` if there will never be others.
    """  # noqa: D205 (one sentence)

    stage: str
    watermark: int
    log: int
    ended: bool


@dataclass(frozen=True, slots=True)
class StartHost:
    """Start a host of this number, `after` seconds from now; numbers are never used again."""

    host: int
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class StopHost:
    """End a host: at once, or behind all that it was given before if `gently`."""

    host: int
    gently: bool = True


@dataclass(frozen=True, slots=True)
class Restore:
    """Give `host` the state of these key groups as the store's snapshot has it.

    What it held of them before is forgotten. Not `stored`: there is no snapshot yet, they
    begin without any state.
    """

    host: int
    stage: str
    groups: tuple[int, ...]
    stored: bool


@dataclass(frozen=True, slots=True)
class Forget:
    """Let `host` drop the state of key groups that live elsewhere now."""

    host: int
    stage: str
    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Send:
    """Give `host` its part of batch `seq` of `stage`; its answer bears the same `ticket`.

    `mute`: its decisions are known already, only the state behind them is wanted.
    """

    host: int
    stage: str
    seq: int
    ticket: int
    rows: pa.RecordBatch
    mute: bool = False


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """Ask `host` for its state of these key groups behind all that it was given before."""

    host: int
    stage: str
    ticket: int
    barrier: int
    groups: tuple[int, ...]


class StageSnapshot(NamedTuple):
    """The state of the key groups that changed since the snapshot before, behind `cursor`.

    `whole`: there is none before it, what the store may hold is not to be used.
    """

    cursor: str
    parts: dict[int, bytes]
    whole: bool


@dataclass(frozen=True, slots=True)
class Commit:
    """Make durable: events in order, the checkpoint and the snapshot they bring about."""

    number: int
    stage: str
    events: tuple[Sealed, ...]
    checkpoint: str | None = None
    snapshot: StageSnapshot | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """All is durable; `completed` unless the run was stopped before the end of its input."""

    completed: bool


HostCommand = StartHost | StopHost | Restore | Forget | Send | TakeSnapshot
"""What concerns one host; each host carries its commands out in their order."""

Command = Pull | Advance | HostCommand | Commit | Finish
