"""The embedded event store: one SQLite file, one writing process, any number of readers."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, suppress
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import cast

import pyarrow as pa

from runtime.errors import (
    EventNotFound,
    EventScavenged,
    StoreClosed,
    StoreDamaged,
    StoreForbidden,
    StreamDeleted,
    StreamNotFound,
)
from runtime.events import Entry, NewEvent, RecordedEvent, id_text
from runtime.store import entries, query
from runtime.store.bell import Bell
from runtime.store.connection import Pool
from runtime.store.expectation import TOMBSTONE
from runtime.store.faults import translated
from runtime.store.fence import Claim
from runtime.store.file import inspect, open_writer
from runtime.store.group import Group
from runtime.store.policy import described_by
from runtime.store.port import (
    Append,
    Appended,
    CaughtUp,
    Delete,
    Expected,
    Fence,
    Filter,
    Snapshot,
    Write,
)
from runtime.store.pruning import Pruned
from runtime.store.scavenger import scavenge
from runtime.store.snapshot import read_snapshot
from runtime.store.table import ROWS, record_batch
from runtime.store.writer import Outcome, Request, Writer, describes

POLL_SECONDS = 0.1
"""How often a live subscription looks for what another process wrote, unless told otherwise."""

_EVERYTHING = Filter()


class SqliteStore:
    """An `EventStore` in a file, safe to share between threads.

    Write-ahead logging with `synchronous=FULL`: an answered write outlives the machine.
    Iterators read page by page and hold nothing between pages; one over a stream or the
    log returns what was there when it was asked for.
    """

    def __init__(self, path: Path, poll: float, writer: Writer | None, held: ExitStack) -> None:
        """Use `open`. `held` is closed with the store, after its connections."""
        self._path = path
        self._poll = poll
        self._writer = writer
        self._held = held
        self._bell = Bell()
        self._descriptions = 0
        self._pool = Pool(path)
        self._group = Group(self._commit)

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        *,
        create: bool = True,
        writer: bool = True,
        wait: float = 0.0,
        poll: float = POLL_SECONDS,
    ) -> SqliteStore:
        """Open the store at `path`.

        A writer makes the file if it is missing and `create` is set, and locks it, waiting
        up to `wait` seconds for the writer before it. It brings a store of an older schema
        to the present one, for good. Without `writer` the store can only be read, while
        another process may write. Live subscriptions look every `poll` seconds for what
        others wrote.

        Raises `StoreMissing`, `StoreForbidden`, `StoreLocked`, `StoreTooNew`,
        `StoreDamaged` or `StoreFull`.
        """
        with ExitStack() as held:
            place = Path(path).absolute()
            with translated(place):
                place = place.resolve()
                if writer:
                    pen = open_writer(place, wait, create=create, held=held)
                    return cls(place, poll, pen, held.pop_all())
                inspect(place, "ro")
            return cls(place, poll, None, held)

    def close(self) -> None:
        """Release the file and its lock; waiting subscriptions end. Closing twice is allowed."""
        self._bell.silence()
        self._pool.close()
        with translated(self._path):
            self._group.between_commits(self._held.close)

    def __enter__(self) -> SqliteStore:
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
        """Make all of `write` durable in one transaction, which other threads may share.

        Each append is judged after those before it. When one is refused, nothing of
        `write` is stored; one that is stored already is answered and does not hinder the
        others. Raises `Fenced` if its fence is not the last claim of its name.
        """
        return self._group.submit(write)

    def write_each(self, writes: Sequence[Write]) -> list[list[Appended] | Exception]:
        """Make each of `writes` durable, in their order, in one transaction; none hinders another.

        Answers for each where its appends ended, or why nothing of it was stored.
        """
        return cast("list[list[Appended] | Exception]", self._group.submit_all(writes))

    def delete(
        self, stream: str, expected: int | Expected = Expected.ANY, *, hard: bool = False
    ) -> Appended:
        """Hide all events of `stream`, or `hard`: end it for good by a tombstone."""
        return self._group.submit(Delete(stream, expected, hard))[0]

    def claim(self, name: str) -> Fence:
        """Durably raise the epoch of `name` by one; writes that came before it are not refused."""
        return self._group.submit(Claim(name))

    def read_stream(
        self,
        stream: str,
        start: int | None = None,
        *,
        backwards: bool = False,
        limit: int | None = None,
    ) -> Iterator[RecordedEvent]:
        """The events of `stream` from revision `start` on; `StreamNotFound` is raised at once."""
        found = self._standing(stream)
        if found is None or found.revision < 0 or found.policy.deleted:
            raise StreamNotFound(f"no stream {stream!r} in {self._path}: check the name")
        last, age = found.revision, found.policy.max_age
        least = found.policy.first(last)
        since = 0 if age is None else time.time_ns() - age * 10**9
        first = query.bounded(start, last) if backwards else max(query.bounded(start, 0), least)

        def fetch(at: int, count: int) -> list[RecordedEvent]:
            bounds = (least, at) if backwards else (at, last)
            with self._pool.borrow() as connection:
                return query.stream_page(
                    connection, found.id, bounds, count, since=since, backwards=backwards
                )

        step = -1 if backwards else 1
        return query.paged(fetch, first, limit, lambda event: event.revision + step)

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
        bounds = (query.bounded(start, 0), end)
        if backwards:
            bounds = (0, min(query.bounded(start, query.LAST) - 1, end))
        return self._log(bounds, limit, only, backwards=backwards)

    def read_batches(
        self, start: int | None = None, *, only: Filter = _EVERYTHING
    ) -> Iterator[pa.RecordBatch]:
        """The log in log order as record batches; the rows of the tables become columns."""
        at, end = query.bounded(start, 0), self.end()
        while at <= end:
            with self._pool.borrow() as connection:
                rows = query.log_rows(connection, (at, end), ROWS, only, backwards=False)
            if not rows:
                return
            yield record_batch(rows)
            at = rows[-1][0] + 1

    def subscribe(
        self, after: int | None = None, *, only: Filter = _EVERYTHING
    ) -> Generator[RecordedEvent | CaughtUp, None, None]:
        """Events after position `after`, then `CaughtUp`, then new ones as they come.

        `CaughtUp` tells how far the log was looked through, whether or not `only` let
        its last events pass. Ends when the store is closed while it waits.
        """
        cursor = query.bounded(after, -1)
        live = True
        while live:
            end = max(cursor, self.end())
            yield from self._log((cursor + 1, end), None, only)
            cursor = end
            yield CaughtUp(cursor)
            live = self._grown(cursor)

    def read_window(
        self, first: int, last: int, *, limit: int, only: Filter = _EVERYTHING
    ) -> list[RecordedEvent]:
        """The first events of the positions from `first` to `last` (both included)."""
        return list(self.scan(first, last, limit=limit, only=only))

    def scan(
        self,
        first: int,
        last: int,
        *,
        backwards: bool = False,
        limit: int | None = None,
        only: Filter = _EVERYTHING,
    ) -> Iterator[RecordedEvent]:
        """What `read_window` finds, or backwards the last events in place of the first."""
        return self._log((first, last), limit, only, backwards=backwards)

    def written_streams(self, first: int, last: int) -> set[str]:
        """The streams of the events at the positions from `first` to `last` (both included)."""
        with self._pool.borrow() as connection:
            return query.written_streams(connection, (first, last))

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after each commit of this store object; answers how to end that.

        It is called by the thread that committed, and must neither wait nor raise.
        """
        return self._bell.listen(listener)

    @property
    def descriptions(self) -> int:
        """Goes up with each commit of this store object that may have changed any metadata.

        It has gone up when the write is answered; `$settings` counts as metadata.
        """
        return self._descriptions

    def entries(
        self, stream: str | None = None, start: int = 0, *, limit: int | None = None
    ) -> Iterator[Entry]:
        """All that was ever written to `stream`, or to the log, in order, hidden or removed."""
        with self._pool.borrow() as connection:
            found = None if stream is None else query.standing_of(connection, stream)
        if stream is not None and found is None:
            raise StreamNotFound(f"no stream {stream!r} in {self._path}: check the name")

        def fetch(at: int, count: int) -> list[Entry]:
            with self._pool.borrow() as connection:
                if found is None:
                    return entries.log_entries(connection, at, count)
                return entries.stream_entries(connection, found.id, at, count)

        return entries.read_entries(fetch, query.bounded(start, 0), limit, of_log=found is None)

    def scavenge(self, now: int | None = None) -> Pruned:
        """Remove for good what metadata or a deletion hide at `now` (ns; None: by the clock).

        Waits until all is removed, in many small transactions between which others write;
        whatever ends it before leaves a sound store. Positions and revisions stay as they
        are. What proofs need of an event is kept (`entries`), and so is its idempotence.
        """
        moment = time.time_ns() if now is None else now
        return scavenge(self._pool.borrow, self._group, moment)

    def find(self, event_id: bytes) -> RecordedEvent:
        """The event of that id, the first of the log if there are several."""
        with self._pool.borrow() as connection:
            event = query.event_of_id(connection, event_id)
            gone = entries.scavenged_of_id(connection, event_id) if event is None else None
        if event is not None:
            return event
        name = id_text(event_id)
        if gone is not None:
            place = f"event {name} ({gone.revision} of {gone.stream!r}) in {self._path}"
            raise EventScavenged(f"{place} was scavenged: look in a backup made before that")
        raise EventNotFound(f"no event {name} in {self._path}: check the id and the store")

    def revision(self, stream: str) -> int:
        """The revision of the last event of `stream`, -1 if it was never written or is deleted."""
        found = self._standing(stream)
        return -1 if found is None or found.policy.deleted else found.revision

    def streams(self, prefix: str = "") -> list[str]:
        """The names of all streams that begin with `prefix`, sorted by their UTF-8 bytes."""
        with self._pool.borrow() as connection:
            return query.stream_names(connection, prefix)

    def heads(self, prefix: str = "") -> Iterator[RecordedEvent]:
        """The last event of each stream that begins with `prefix`, sorted by stream name.

        Each page shows the streams as they are when it is read.
        """

        def fetch(start: str, count: int) -> list[RecordedEvent]:
            with self._pool.borrow() as connection:
                return query.head_page(connection, prefix, start, count)

        return query.paged(fetch, prefix, None, lambda event: f"{event.stream}\0")

    def checkpoint(self, name: str) -> str | None:
        """The cursor stored under `name`, if any."""
        with self._pool.borrow() as connection:
            return query.cursor_of(connection, name)

    def snapshot(self, name: str, groups: Collection[int] | None = None) -> Snapshot | None:
        """The snapshot under `name`, if any, with the parts of `groups` (None: all), checked.

        What a store of schema 1 holds has no digests and is read unchecked.
        """
        with self._pool.borrow() as connection:
            stored = read_snapshot(connection, name, groups)
        return None if stored is None else stored.checked()

    def end(self) -> int:
        """The position of the last event of the log, -1 for an empty one."""
        with self._pool.borrow() as connection:
            position = query.last_position(connection)
        return -1 if position is None else position

    def _standing(self, stream: str) -> query.Standing | None:
        """Where a stream stands, if anywhere; `StreamDeleted` for one with a tombstone.

        The metadata of a stream with a tombstone are deleted with it.
        """
        described = described_by(stream)
        if described is not None:
            self._standing(described)
        with self._pool.borrow() as connection:
            found = query.standing_of(connection, stream)
        if found is None:
            return None
        if not isinstance(found.revision, int):
            raise StoreDamaged(
                f"stream {stream!r} in {self._path} has a revision that is no number"
            )
        if found.revision == TOMBSTONE:
            raise StreamDeleted(f"stream {stream!r} in {self._path} is deleted for good")
        return found

    def _commit(self, requests: Sequence[Request]) -> list[Outcome]:
        if self._writer is None:
            raise StoreForbidden(f"store {self._path} is open for reading: open it as a writer")
        outcomes = self._writer.commit(requests)
        self._descriptions += any(map(describes, requests))
        self._bell.ring()
        return outcomes

    def _log(
        self, bounds: tuple[int, int], limit: int | None, only: Filter, *, backwards: bool = False
    ) -> Iterator[RecordedEvent]:
        with self._pool.borrow() as connection:
            narrow = query.is_narrow(connection, bounds, only)

        def fetch(at: int, count: int) -> list[RecordedEvent]:
            page = (bounds[0], at) if backwards else (at, bounds[1])
            with self._pool.borrow() as connection:
                return query.log_page(
                    connection, page, count, only, backwards=backwards, narrow=narrow
                )

        first, step = (bounds[1], -1) if backwards else (bounds[0], 1)
        return query.paged(fetch, first, limit, lambda event: event.position + step)

    def _grown(self, position: int) -> bool:
        """Wait until the log goes beyond `position`; False when the store is closed instead."""
        with suppress(StoreClosed):
            while not self._bell.silenced:
                rings = self._bell.rings
                if self.end() > position:
                    return True
                self._bell.wait(rings, self._poll)
        return False
