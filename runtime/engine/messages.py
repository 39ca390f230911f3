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
    """A feed gave a batch: its rows, the position it reaches, where to go on behind it."""

    stage: str
    rows: pa.RecordBatch
    end: int
    cursor: str


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
class HostAnswered:
    """A host has decided on its part of a batch."""

    stage: str
    seq: int
    host: int
    results: Results


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    """A host's state of a stage as it was behind batch `seq`, by key group."""

    stage: str
    seq: int
    host: int
    parts: dict[int, bytes]


@dataclass(frozen=True, slots=True)
class Committed:
    """Commits up to number `commit` are durable; `log` is the log's last position then."""

    commit: int
    log: int


@dataclass(frozen=True, slots=True)
class DrainRequested:
    """Stop taking in; finish what is under way."""


Message = (
    BatchArrived | FeedIdle | FeedEnded | HostAnswered | SnapshotTaken | Committed | DrainRequested
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
class Send:
    """Give `host` its part of batch `seq` of `stage`."""

    host: int
    stage: str
    seq: int
    rows: pa.RecordBatch


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """Ask `host` for its state of `stage` behind batch `seq`."""

    host: int
    stage: str
    seq: int


@dataclass(frozen=True, slots=True)
class Commit:
    """Make durable: events in order, the checkpoint and the snapshot they bring about."""

    number: int
    stage: str
    events: tuple[Sealed, ...]
    checkpoint: str | None = None
    snapshot: tuple[str, dict[int, bytes]] | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """All is durable; `completed` unless the run was drained before the end of its input."""

    completed: bool


Command = Pull | Advance | Send | TakeSnapshot | Commit | Finish
