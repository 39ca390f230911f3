"""Makes commits durable in a thread of its own: while one is written, the next gather."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

from runtime.engine.ledger import Ledger
from runtime.engine.messages import Commit, Committed
from runtime.errors import StoreDamaged
from runtime.events import RecordedEvent
from runtime.store import EventStore

_GATHER = 1_024


class StoredLog:
    """The ledger's view of an event store."""

    def __init__(self, store: EventStore) -> None:
        self.revision = store.revision
        self._store = store

    def event(self, stream: str, revision: int) -> RecordedEvent:
        """The event at that revision; `StoreDamaged` if it is missing."""
        event = next(iter(self._store.read_stream(stream, revision, limit=1)), None)
        if event is None:
            raise StoreDamaged(f"{stream} has no event {revision}: check it with 'lucent verify'")
        return event


class Committer:
    """Writes what it is given, in order, all that has gathered in one transaction.

    `post` is called from its thread with a `Committed` for each write, or with the error
    that ended it; what comes after an error is not written.
    """

    def __init__(
        self, store: EventStore, run: str, post: Callable[[Committed | Exception], None]
    ) -> None:
        self._store = store
        self._ledger = Ledger(run, StoredLog(store))
        self._post = post
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
        self._thread.join()

    def _run(self) -> None:
        try:
            while commits := self._gather():
                self._write(commits)
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

    def _write(self, commits: list[Commit]) -> None:
        appended = self._store.write(self._ledger.write(commits))
        self._log = max([self._log, *(one.position for one in appended)])
        self._post(Committed(commits[-1].number, self._log))
