"""What the runtime asks of an event store, whichever one it is.

Revisions count the events of a stream from 0; positions order the whole log. Both
only grow. Readers never see half an append.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import pyarrow as pa

from runtime.events import Entry, NewEvent, RecordedEvent


class Expected(Enum):
    """What an append may expect of its stream, beside an exact revision."""

    ANY = "any"
    NO_STREAM = "no stream"
    EXISTS = "exists"


@dataclass(frozen=True, slots=True)
class Append:
    """Events for one stream, to be appended if it stands at `expected` (its last revision)."""

    stream: str
    expected: int | Expected
    events: Sequence[NewEvent]


@dataclass(frozen=True, slots=True)
class Delete:
    """A stream to be deleted if it stands at `expected`; `hard`: for good, by a tombstone."""

    stream: str
    expected: int | Expected
    hard: bool = False


@dataclass(frozen=True, slots=True)
class Appended:
    """Where an append ended: the stream's revision and the log position of its last event.

    An append of no event answers revision -1 for a stream that does not exist, and the
    log position 0.
    """

    revision: int
    position: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a reader has come: its name and an opaque cursor (JSON text)."""

    name: str
    cursor: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """State of a reader at the input it had taken in when the state was made.

    `parts` maps a key group to its encoded state, which may be empty. Written, they take
    the place of older parts of the same groups; groups that are not mentioned keep
    theirs, unless `whole` is set: then all older parts go first. One that was read says
    `whole=False`.
    """

    name: str
    cursor: str
    parts: dict[int, bytes]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Fence:
    """A claim to write under `name`, good until that name is claimed again.

    Epochs count the claims of a name from 1.
    """

    name: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events `read_all` and `subscribe` return: those that meet every condition given.

    The stream's name begins with one of `streams`; the type is one of `types`, begins with
    one of `type_prefixes`; a pattern (a regular expression) is found in the one or the
    other. What is empty does not restrict. `hide_bookkeeping` leaves out where persistent
    subscriptions to the log have come and what they put aside, as KurrentDB does.
    """

    streams: Sequence[str] = ()
    types: Sequence[str] = ()
    type_prefixes: Sequence[str] = ()
    stream_pattern: str = ""
    type_pattern: str = ""
    hide_bookkeeping: bool = False

    @property
    def by_pattern(self) -> bool:
        """Whether names or types are matched with a regular expression."""
        return bool(self.stream_pattern or self.type_pattern)


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Told by a subscription when it has returned all there was; `position` is where it is."""

    position: int


@dataclass(frozen=True, slots=True)
class Write:
    """One transaction: appends to any number of streams, with what they bring to an end.

    With a `fence` nothing of it is stored unless that is the last claim of its name.
    """

    appends: Sequence[Append] = ()
    checkpoints: Sequence[Checkpoint] = ()
    snapshots: Sequence[Snapshot] = field(default=())
    fence: Fence | None = None


class EventStore(Protocol):
    """An append-only log of events in streams.

    Reads may be made from any thread and go on while a write is under way. Every method
    raises `StoreError` leaves only.
    """

    def append(self, stream: str, expected: int | Expected, events: Sequence[NewEvent]) -> Appended:
        """Append `events` to `stream`, all or none; durable when it returns.

        Raises `WrongExpectedVersion` unless the stream stands at `expected`. Idempotent by
        event id: when all of the events stand at the expected place already, nothing is
        written and the first answer is given again (KurrentDB's rules).
        """

    def write(self, write: Write) -> list[Appended]:
        """Make all appends, checkpoints and snapshots of `write` durable in one transaction.

        Raises `Fenced` if its fence is not the current one, even where all of it is stored
        already; `SnapshotDamaged` if it adds to a snapshot that lost or gained parts.
        """

    def delete(
        self, stream: str, expected: int | Expected = Expected.ANY, *, hard: bool = False
    ) -> Appended:
        """Delete `stream`, all of whose events are hidden from then on; durable when it returns.

        It can be appended to again, and its revisions go on, unless it is deleted `hard`:
        then the name is spent. The log keeps the events until a scavenge. Answers where the
        record of the deletion stands: in the stream of its metadata, or `hard` in the stream
        itself. Raises `WrongExpectedVersion`, also for a stream that was never written unless
        `hard`, and `StreamDeleted`.
        """

    def claim(self, name: str) -> Fence:
        """Take over `name`: durably raise its epoch by one, so that older fences are refused.

        Writes answered before keep what they stored; once this returns, no write under an
        older fence of `name` stores anything.
        """

    def read_stream(
        self,
        stream: str,
        start: int | None = None,
        *,
        backwards: bool = False,
        limit: int | None = None,
    ) -> Iterator[RecordedEvent]:
        """The events of `stream` from revision `start` on (included), in either direction.

        Without `start`: from the first event, or backwards from the last. Events that the
        stream's metadata hide (`$tb`, `$maxCount`, `$maxAge`) are left out. Raises
        `StreamNotFound` for a stream that was never written or is deleted, `StreamDeleted`
        for one that is deleted for good.
        """

    def read_all(
        self,
        start: int | None = None,
        *,
        backwards: bool = False,
        limit: int | None = None,
        only: Filter = ...,
    ) -> Iterator[RecordedEvent]:
        """The whole log in log order; forwards `start` is included, backwards it is not.

        It holds the events of deleted streams too, and what metadata hide, until a scavenge
        removes them. Raises
        `FilterInvalid` if a pattern of `only` cannot be used.
        """

    def read_batches(
        self, start: int | None = None, *, only: Filter = ...
    ) -> Iterator[pa.RecordBatch]:
        """The log in log order from position `start` on (included), as Arrow record batches.

        They have the fields of a `RecordedEvent` as columns (`runtime.store.table.SCHEMA`) and
        4,096 rows at the most. Raises what `read_all` does.
        """

    def subscribe(
        self, after: int | None = None, *, only: Filter = ...
    ) -> Generator[RecordedEvent | CaughtUp, None, None]:
        """Events after position `after` (excluded), then `CaughtUp`, then new ones as they come.

        `CaughtUp` is told each time there is nothing more to return; asking for the next
        item then waits for new events. Close the iterator to end the subscription. Raises
        `FilterInvalid` as `read_all` does, when the first item is asked for.
        """

    def entries(
        self, stream: str | None = None, start: int = 0, *, limit: int | None = None
    ) -> Iterator[Entry]:
        """All that was ever written to `stream`, or to the log, in order: for audits and exports.

        From the revision, or of the log the position, `start` on (included). Also what
        metadata hide, and what is kept of removed events. A store on a server gives what
        the server still shows, and raises what `read_stream` does.
        """

    def find(self, event_id: bytes) -> RecordedEvent:
        """The event of that id; `EventNotFound` if there is none."""

    def revision(self, stream: str) -> int:
        """The revision of the last event of `stream`, -1 if it was never written or is deleted.

        Raises `StreamDeleted` for a stream that is deleted for good.
        """

    def streams(self, prefix: str = "") -> list[str]:
        """The names of all streams that begin with `prefix`, sorted by their UTF-8 bytes."""

    def heads(self, prefix: str = "") -> Iterator[RecordedEvent]:
        """The last event of each stream that begins with `prefix`, sorted by stream name."""

    def checkpoint(self, name: str) -> str | None:
        """The cursor stored under `name`, if any."""

    def snapshot(self, name: str, groups: Collection[int] | None = None) -> Snapshot | None:
        """The snapshot stored under `name`, if any: its last cursor, and parts as of one moment.

        Only the parts of `groups` are read, all of them if it is None; a group that has no
        part is left out. Raises `SnapshotDamaged` if a part read is not as it was stored, or
        if parts of any group were removed, added or exchanged.
        """

    def end(self) -> int:
        """The position of the last event of the log, -1 for an empty one."""

    def close(self) -> None:
        """Release the store; closing twice is allowed."""
