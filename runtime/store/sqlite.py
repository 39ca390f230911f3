"""The embedded event store: one SQLite file, one writing process, any number of readers."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Literal, cast

from runtime.errors import (
    EventNotFound,
    StoreClosed,
    StoreDamaged,
    StoreForbidden,
    StoreMissing,
    StreamDeleted,
    StreamNotFound,
)
from runtime.events import NewEvent, RecordedEvent, id_text
from runtime.store import query
from runtime.store.bell import Bell
from runtime.store.connection import Pool, connect
from runtime.store.expectation import TOMBSTONE
from runtime.store.faults import translated
from runtime.store.fence import Claim
from runtime.store.group import Group
from runtime.store.lock import WriterLock
from runtime.store.migration import migrate
from runtime.store.policy import SETTINGS, described_by
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
from runtime.store.schema import check_tables, create_store, is_vacant, prepare_writer
from runtime.store.snapshot import read_snapshot
from runtime.store.writer import Outcome, Request, Writer

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
                    pen = _open_writer(place, wait, create=create, held=held)
                    return cls(place, poll, pen, held.pop_all())
                _inspect(place, "ro")
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
        first = _bounded(start, last) if backwards else max(_bounded(start, 0), least)

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
        if backwards:
            return self._log_backwards(0, _bounded(start, query.LAST) - 1, limit, only)
        return self._log(_bounded(start, 0), end, limit, only)

    def subscribe(
        self, after: int | None = None, *, only: Filter = _EVERYTHING
    ) -> Generator[RecordedEvent | CaughtUp, None, None]:
        """Events after position `after`, then `CaughtUp`, then new ones as they come.

        `CaughtUp` tells how far the log was looked through, whether or not `only` let
        its last events pass. Ends when the store is closed while it waits.
        """
        cursor = _bounded(after, -1)
        live = True
        while live:
            end = max(cursor, self.end())
            yield from self._log(cursor + 1, end, None, only)
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
        log = self._log_backwards if backwards else self._log
        return log(first, last, limit, only)

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

    def find(self, event_id: bytes) -> RecordedEvent:
        """The event of that id, the first of the log if there are several."""
        with self._pool.borrow() as connection:
            event = query.event_of_id(connection, event_id)
        if event is None:
            name = id_text(event_id)
            raise EventNotFound(f"no event {name} in {self._path}: check the id and the store")
        return event

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
        """Where a stream stands, if anywhere; `StreamDeleted` for one with a tombstone."""
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
        self._descriptions += any(map(_describes, requests))
        self._bell.ring()
        return outcomes

    def _log(
        self, start: int, end: int, limit: int | None, only: Filter
    ) -> Iterator[RecordedEvent]:
        def fetch(at: int, count: int) -> list[RecordedEvent]:
            with self._pool.borrow() as connection:
                return query.log_page(connection, (at, end), count, only, backwards=False)

        return query.paged(fetch, start, limit, lambda event: event.position + 1)

    def _log_backwards(
        self, first: int, last: int, limit: int | None, only: Filter
    ) -> Iterator[RecordedEvent]:
        def fetch(at: int, count: int) -> list[RecordedEvent]:
            with self._pool.borrow() as connection:
                return query.log_page(connection, (first, at), count, only, backwards=True)

        return query.paged(fetch, last, limit, lambda event: event.position - 1)

    def _grown(self, position: int) -> bool:
        """Wait until the log goes beyond `position`; False when the store is closed instead."""
        with suppress(StoreClosed):
            while not self._bell.silenced:
                rings = self._bell.rings
                if self.end() > position:
                    return True
                self._bell.wait(rings, self._poll)
        return False


def _inspect(path: Path, mode: Literal["ro", "rw"]) -> None:
    """Raise unless there is a store at `path`; takes no lock and leaves no file."""
    if path.is_dir():
        raise StoreMissing(f"{path} is a folder, not a store: name a file")
    if is_vacant(path):
        raise StoreMissing(f"no store at {path}: check the path, or start a run that writes to it")
    with closing(connect(path, mode)) as connection:
        check_tables(connection, path)


def _open_writer(path: Path, wait: float, *, create: bool, held: ExitStack) -> Writer:
    """Lock the store and connect to it; what must be released goes to `held`."""
    if not (create and is_vacant(path)):
        _inspect(path, "rw")
    held.enter_context(WriterLock(path, wait))
    if create and is_vacant(path):
        create_store(path)
    connection = connect(path, "rw")
    writer = Writer(connection, path)
    held.callback(writer.close)
    check_tables(connection, path)
    prepare_writer(connection, path)
    migrate(connection)
    return writer


def _describes(request: Request) -> bool:
    """Whether it may change what metadata say."""
    if isinstance(request, Write):
        names = (append.stream for append in request.appends)
        return any(name == SETTINGS or described_by(name) is not None for name in names)
    return isinstance(request, Delete)


def _bounded(start: int | None, default: int) -> int:
    """A place that SQLite can count to: `start`, or `default` if there is none."""
    return default if start is None else max(-1, min(start, query.LAST))
