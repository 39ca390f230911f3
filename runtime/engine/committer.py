"""Makes commits durable in a thread of its own: while one is written, the next gather."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Thread
from time import monotonic

from runtime.engine.commands import Commit
from runtime.engine.ledger import Ledger
from runtime.engine.messages import Committed
from runtime.engine.notices import NoticeBook
from runtime.engine.pen import Author
from runtime.errors import StoreDamaged, StoreFull
from runtime.events import Entry
from runtime.store import Appended, EventStore, Fence, Write

PATIENCE = 20.0
"""Seconds for which a write that found the disk full is tried again."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds before a failed write is tried again; doubles each time."""

_GATHER = 1_024


class StoredLog:
    """The ledger's view of an event store."""

    def __init__(self, store: EventStore) -> None:
        self.revision = store.revision
        self._store = store

    def event(self, stream: str, revision: int) -> Entry:
        """The event at that revision, hidden or not; `StoreDamaged` if it is missing."""
        event = next(iter(self._store.entries(stream, revision, limit=1)), None)
        if event is None or event.revision != revision:
            raise StoreDamaged(f"{stream} has no event {revision}: check it with 'lucent verify'")
        return event


class Committer:
    """Writes what it is given, in order, all that has gathered in one transaction.

    `post` is called from its thread with a `Committed` for each write, or with the error
    that ended it; what comes after an error is not written. A write that found the disk
    full is tried again for `patience` seconds. The store refuses writes under `fence` once
    the run was taken over; `author` signs what is recorded of aggregates in quarantine.
    """

    def __init__(
        self,
        store: EventStore,
        fence: Fence,
        author: Author,
        post: Callable[[Committed | Exception], None],
        patience: float = PATIENCE,
    ) -> None:
        self._store = store
        log = StoredLog(store)
        self._ledger = Ledger(fence.name, log, fence, NoticeBook.of(author, log))
        self._post = post
        self._patience = patience
        self._closing = Event()
        self._queue: SimpleQueue[Commit | None] = SimpleQueue()
        self._log = store.end()
        self._thread = Thread(target=self._run, name="lucent-committer", daemon=True)
        self._thread.start()

    def put(self, commit: Commit) -> None:
        """Hand over a commit; never waits."""
        self._queue.put(commit)

    def close(self) -> None:
        """Wait until all that was handed over is written, or an error has ended it."""
        self._queue.put(None)
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while commits := self._gather():
                appended = self._written(self._ledger.write(commits))
                self._log = max([self._log, *(one.position for one in appended)])
                self._post(Committed(commits[-1].number, self._log, monotonic()))
        except Exception as error:  # noqa: BLE001 (the runner raises it)
            self._post(error)

    def _gather(self) -> list[Commit]:
        commits: list[Commit] = []
        first = self._queue.get()
        while first is not None:
            commits.append(first)
            if self._queue.empty() or len(commits) == _GATHER:
                return commits
            first = self._queue.get()
        self._queue.put(None)
        return commits

    def _written(self, write: Write) -> list[Appended]:
        """Write, again and again while the disk is full: what was stored already stays so."""
        until = monotonic() + self._patience
        pause = FIRST_PAUSE
        while True:
            try:
                return self._store.write(write)
            except StoreFull:
                if monotonic() + pause > until or self._closing.wait(pause):
                    raise
            pause = min(2 * pause, LONGEST_PAUSE)
