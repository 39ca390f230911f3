"""What the supervisor is told, and what it orders. Plain data, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from runtime.engine.suspicion import Piece


class Sealed(NamedTuple):
    """A signed event with its place; the supervisor forwards it and never decodes it."""

    stream: str
    revision: int
    event_id: bytes
    type: str
    data: bytes
    metadata: bytes


class Who(NamedTuple):
    """An agent's aggregate: what is parked, and released, alone."""

    agent: str
    aggregate: str


class Parked(NamedTuple):
    """An aggregate cannot go on: its agent raises on the event at `position`.

    `error` and `trace` say what it raised, `state` is what it held before (as a snapshot
    holds it), `row` the event (an Arrow IPC stream). `after` and `attempts` are what a
    `Retryable` asked for, 0 for any other error.
    """

    who: Who
    position: int
    error: str
    trace: str
    state: bytes
    row: bytes
    after: float = 0.0
    attempts: int = 0


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
    """A host has decided on its part of a batch; of a muted part there are no results.

    There are none either of key groups in which an agent `raised`: what the host holds of
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
    | HostReady
    | HostLost
    | HostAnswered
    | SnapshotTaken
    | Committed
    | Tick
    | ScaleTo
    | ReleaseRequested
    | HeldRead
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
    begin without any state. Of a `parked` aggregate it holds events from that position on
    back.
    """

    host: int
    stage: str
    groups: tuple[int, ...]
    stored: bool
    parked: tuple[tuple[Who, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Forget:
    """Let `host` drop the state of key groups that live elsewhere now."""

    host: int
    stage: str
    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Send:
    """Give `host` its part of batch `seq` of `stage`; its answer bears the same `ticket`.

    `mute`: its decisions are known already, only the state behind them is wanted. `careful`:
    event by event, to find the one that is poisonous. `release`: these are events that were
    held back, for one agent alone. `piece`: the part is sent in pieces, this is one.
    """

    host: int
    stage: str
    seq: int
    ticket: int
    rows: pa.RecordBatch
    mute: bool = False
    careful: bool = False
    release: Release | None = None
    piece: Piece | None = None


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """Ask `host` for its state of these key groups behind all that it was given before."""

    host: int
    stage: str
    ticket: int
    barrier: int
    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReadHeld:
    """Read what the log holds of a parked aggregate: at least `limit` events from `first` on."""

    stage: str
    who: Who
    first: int
    limit: int


class Advanced(NamedTuple):
    """An aggregate was given some of what was held of it; it is parked at `position` now."""

    who: Who
    position: int


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


Notice = Parked | Held | Releasing | Advanced | Freed
"""What the log is told of aggregates in quarantine."""


class StageSnapshot(NamedTuple):
    """The state of the key groups that changed since the snapshot before, behind `cursor`.

    `whole`: there is none before it, what the store may hold is not to be used.
    """

    cursor: str
    parts: dict[int, bytes]
    whole: bool


@dataclass(frozen=True, slots=True)
class Commit:
    """Make durable: events in order, the checkpoint and the snapshot they bring about.

    `notices` are recorded in the run's own streams.
    """

    number: int
    stage: str
    events: tuple[Sealed, ...]
    checkpoint: str | None = None
    snapshot: StageSnapshot | None = None
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Finish:
    """All is durable; `completed` unless the run was stopped before the end of its input."""

    completed: bool


HostCommand = StartHost | StopHost | Restore | Forget | Send | TakeSnapshot
"""What concerns one host; each host carries its commands out in their order."""

Command = Pull | Advance | HostCommand | ReadHeld | Commit | Finish
