"""The event store on a cluster: a KurrentDB (EventStoreDB), reached over its protocol."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from itertools import islice
from threading import RLock
from types import TracebackType

import pyarrow as pa

from runtime.errors import (
    EventNotFound,
    StoreClosed,
    StoreError,
    StoreForbidden,
)
from runtime.events import Entry, NewEvent, RecordedEvent, id_text
from runtime.store.expectation import TOMBSTONE
from runtime.store.kurrent import books
from runtime.store.kurrent.client import cannot_hold
from runtime.store.kurrent.heads import Heads, KnownHeads
from runtime.store.kurrent.line import GREETING, PATIENCE, Line
from runtime.store.kurrent.log import Log
from runtime.store.kurrent.parts import Parts
from runtime.store.kurrent.register import Register
from runtime.store.kurrent.settlement import Settled, joined, settle
from runtime.store.policy import metastream
from runtime.store.port import (
    Append,
    Appended,
    CaughtUp,
    Expected,
    Fence,
    Filter,
    Snapshot,
    Write,
)
from runtime.store.table import record_batches

CURSOR = "CheckpointReached"
"""The type of the events that hold cursors."""

_EVERYTHING = Filter()
_PAGE = 2048


class KurrentStore:
    """An `EventStore` on a server, safe to share between threads.

    Calls that fail on the way are made again for `patience` seconds; `StoreUnreachable` is
    raised after that. Only streams of this store are shown: not those of the server itself.
    Positions are the server's own: only those it gave may be handed to it.
    """

    def __init__(self, line: Line, *, writer: bool = True) -> None:
        """Use `open`."""
        self._line = line
        self._writer = writer
        self._heads = Heads(line)
        self._log = Log(line)
        self._parts = Parts(line)
        self._register = Register(line)
        self._owned = KnownHeads(line)
        self._turn = RLock()

    @classmethod
    def open(cls, address: str, *, writer: bool = True, patience: float = PATIENCE) -> KurrentStore:
        """Open the store at `address`, which has the form of EventStoreDB's connection strings.

        Without `writer` nothing can be written, and a server that is away at first is given
        up after `GREETING` seconds. Raises `AddressUnusable`, `StoreUnreachable` or
        `StoreForbidden`.
        """
        line = Line(address, patience if writer else min(patience, GREETING), leader=writer)
        store = cls(line, writer=writer)
        try:
            store.end()
            line.patience = patience
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """End the connection; waiting subscriptions end. Closing twice is allowed."""
        self._line.close()

    def __enter__(self) -> KurrentStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def append(self, stream: str, expected: int | Expected, events: Sequence[NewEvent]) -> Appended:
        """Append `events` to `stream`, all or none; durable when it returns."""
        return self.write(Write((Append(stream, expected, events),)))[0]

    def write(self, write: Write) -> list[Appended]:
        """Make all of `write` durable, wholly or not at all.

        Readers may see some of it before the rest, and after a crash in between until its
        fence is claimed again. The server itself knows nothing of fences: who does not use
        them can write to the same streams, and `WrongExpectedVersion` is raised then.
        """
        self._check_writer()
        alone = len(write.appends) == 1 and len(books.grouped(write.appends[0].events)) < 2
        if alone and write.fence is None and not write.checkpoints and not write.snapshots:
            return [_answer(outcome) for outcome in self._line.append(write.appends)]
        try:
            with self._turn:
                return self._composed(write)
        except UnicodeError as error:
            raise cannot_hold(error) from None

    def delete(
        self, stream: str, expected: int | Expected = Expected.ANY, *, hard: bool = False
    ) -> Appended:
        """Hide all events of `stream`, or `hard`: end it for good by a tombstone."""
        self._check_writer()
        self._line.call(lambda client: client.remove(stream, expected, hard=hard), stream)
        if hard:
            return Appended(TOMBSTONE, self.end())
        record = self._line.last(metastream(stream))
        assert record is not None
        return Appended(record.revision, record.position)

    def claim(self, name: str) -> Fence:
        """Durably raise the epoch of `name` by one; writes that came before it are not refused."""
        self._check_writer()
        with self._turn:
            self._owned.forget()
            return self._register.claim(name)

    def read_stream(
        self,
        stream: str,
        start: int | None = None,
        *,
        backwards: bool = False,
        limit: int | None = None,
    ) -> Iterator[RecordedEvent]:
        """The events of `stream` from revision `start` on; `StreamNotFound` is raised at once."""
        page = self._line.call(
            lambda client: client.stream_page(stream, None, 1, backwards=True), stream
        )
        last = page[0].revision if page else -1
        first = max(0, start or 0)
        if backwards:
            first = last if start is None else max(-1, min(start, last))
        size = _PAGE if limit is None else max(1, min(limit, _PAGE))
        return islice(self._stream(stream, first, last, size, backwards=backwards), limit)

    def read_all(
        self,
        start: int | None = None,
        *,
        backwards: bool = False,
        limit: int | None = None,
        only: Filter = _EVERYTHING,
    ) -> Iterator[RecordedEvent]:
        """The log in log order; forwards `start` is included, backwards it is not."""
        end = self.end()
        if backwards:
            return islice(self._log.backwards(start, only), limit)
        return islice(self._log.forwards(start, end, only), limit)

    def read_batches(
        self, start: int | None = None, *, only: Filter = _EVERYTHING
    ) -> Iterator[pa.RecordBatch]:
        """The log in log order as record batches."""
        return record_batches(self.read_all(start, only=only))

    def subscribe(
        self, after: int | None = None, *, only: Filter = _EVERYTHING
    ) -> Generator[RecordedEvent | CaughtUp, None, None]:
        """Events after position `after`, then `CaughtUp`, then new ones as they come.

        Goes on where it was when the connection is lost. Ends when the store is closed.
        """
        return self._log.follow(after, only)

    def entries(
        self, stream: str | None = None, start: int = 0, *, limit: int | None = None
    ) -> Iterator[Entry]:
        """All events of `stream`, or of the log, that the server shows."""
        if stream is None:
            return self.read_all(start, limit=limit)
        return self.read_stream(stream, start, limit=limit)

    def find(self, event_id: bytes) -> RecordedEvent:
        """The event of that id, the first of the log if there are several.

        The server keeps no index of ids: the whole log is looked through.
        """
        for event in self.read_all():
            if event.event_id == event_id:
                return event
        name = id_text(event_id)
        raise EventNotFound(f"no event {name} in {self._line.name}: check the id and the store")

    def revision(self, stream: str) -> int:
        """The revision of the last event of `stream`, -1 if it was never written or is deleted."""
        last = self._line.last(stream)
        if last is not None:
            return last.revision
        head = self._heads.of([stream])[stream]
        return -1 if head.deleted else head.revision

    def streams(self, prefix: str = "") -> list[str]:
        """The names of all streams that begin with `prefix`, sorted by their UTF-8 bytes."""
        names = {event.stream for event in self.read_all(only=_beginning(prefix))}
        return sorted(names, key=str.encode)

    def heads(self, prefix: str = "") -> Iterator[RecordedEvent]:
        """The last event of each stream that begins with `prefix`, sorted by stream name."""
        last = {event.stream: event for event in self.read_all(only=_beginning(prefix))}
        return (last[name] for name in sorted(last, key=str.encode))

    def checkpoint(self, name: str) -> str | None:
        """The cursor stored under `name`, if any."""
        event = self._line.last(books.checkpoint_stream(name))
        return None if event is None else event.data.decode()

    def snapshot(self, name: str, groups: Collection[int] | None = None) -> Snapshot | None:
        """The snapshot under `name`, if any, with the parts of `groups` (None: all), checked."""
        return self._parts.read(name, groups)

    def end(self) -> int:
        """The position of the last event of the log, -1 for an empty one."""
        return next((event.position for event in self._log.backwards(None, _EVERYTHING)), -1)

    def _stream(
        self, stream: str, start: int, last: int, size: int, *, backwards: bool
    ) -> Iterator[RecordedEvent]:
        while 0 <= start <= last:
            page = self._line.page(stream, start, size, backwards=backwards)
            for event in page:
                if event.revision > last:
                    return
                yield event
            if not page:
                return
            start = page[-1].revision + (-1 if backwards else 1)

    def _composed(self, write: Write) -> list[Appended]:
        """Carry out a write that is more than one append."""
        heads = self._heads if write.fence is None else self._owned
        try:
            settled, appends = self._judged(write, heads)
            answers = iter(self._register.carry_out(write.fence, appends) if appends else ())
        except StoreError:
            self._owned.forget()
            raise
        if write.fence is not None:
            self._owned.note(appends)
        return [self._place(one, None if one.exact is None else next(answers)) for one in settled]

    def _judged(self, write: Write, heads: Heads) -> tuple[list[Settled], list[Append]]:
        """What a write comes to, and all that is to be appended for it."""
        if write.fence is not None:
            self._register.check(write.fence, anew=not write.appends)
        try:
            found = heads.of(append.stream for append in write.appends)
            settled = settle(write.appends, found, heads)
        except StoreError:
            if write.fence is not None:
                self._register.check(write.fence, anew=True)
            raise
        appends = [one.exact for one in settled if one.exact is not None]
        for snapshot in joined(write.snapshots):
            appends += self._parts.store(snapshot)
        for checkpoint in {one.name: one for one in write.checkpoints}.values():
            stream = books.checkpoint_stream(checkpoint.name)
            revision = heads.of([stream])[stream].revision
            appends += books.last_counts(stream, revision, CURSOR, checkpoint.cursor.encode())
        return settled, appends

    def _place(self, settled: Settled, answer: Appended | None) -> Appended:
        """Where an append of a write ends."""
        if not settled.append.events:
            return Appended(settled.revision, 0)
        if answer is not None:
            return answer
        stream, revision = settled.append.stream, settled.revision
        return Appended(revision, self._line.page(stream, revision, 1, backwards=False)[0].position)

    def _check_writer(self) -> None:
        if self._line.closed:
            raise StoreClosed(f"store {self._line.name} is closed")
        if not self._writer:
            raise StoreForbidden(f"store {self._line.name} is open for reading only")


def _beginning(prefix: str) -> Filter:
    return Filter(streams=(prefix,)) if prefix else _EVERYTHING


def _answer(outcome: Appended | StoreError) -> Appended:
    if isinstance(outcome, StoreError):
        raise outcome
    return outcome
