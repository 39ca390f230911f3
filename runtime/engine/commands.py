"""What the supervisor orders. Plain data, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from runtime.engine.results import Notice, Release, Sealed, StageSnapshot, Who
from runtime.engine.suspicion import Piece


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
    """Start a host of this number, `after` seconds from now; numbers are never used again.

    It decides as the plan of that `edition` says.
    """

    host: int
    after: float = 0.0
    edition: int = 0


@dataclass(frozen=True, slots=True)
class StopHost:
    """End a host: at once, or behind all that it was given before if `gently`."""

    host: int
    gently: bool = True


@dataclass(frozen=True, slots=True)
class Switch:
    """The hosts of `edition` take over, those there are and those to come.

    What is new of it holds from the positions in `since` on, given for each stage that it
    changes; `columns` are what its stages read of decisions.
    """

    edition: int
    since: Mapping[str, int]
    columns: Mapping[str, Mapping[str, type]]


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
class ReadState:
    """Let `host` read what the store's snapshot has of these key groups, and keep nothing of it.

    It is to take them over: can its newest strategies read what those before them left?
    """

    host: int
    stage: str
    ticket: int
    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Forget:
    """Let `host` drop the state of key groups that live elsewhere now."""

    host: int
    stage: str
    groups: tuple[int, ...]


class Send(NamedTuple):
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


HostCommand = StartHost | StopHost | ReadState | Restore | Forget | Send | TakeSnapshot
"""What concerns one host; each host carries its commands out in their order."""

HostsCommand = HostCommand | Switch
"""What concerns the hosts."""


Command = Pull | Advance | HostsCommand | ReadHeld | Commit | Finish
