"""A merge played at the pace of its own times: read ahead by a thread, never waited for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import Condition, Thread
from time import monotonic_ns

import pyarrow as pa

from runtime.feeds.backlog import Backlog, Bound
from runtime.feeds.columns import LAST_TIME
from runtime.feeds.drops import Record, as_recorded
from runtime.feeds.merge import Merge
from runtime.feeds.port import QUIET, FeedBatch, Quiet, RejectReport

CHUNK = 4_096
"""Rows read at a time."""

NAP = 0.000_2
"""Seconds to rest at least before looking again what is due."""

LONGEST_NAP = 3_600.0
"""And at most: what a slow pace makes of the next due time may be longer than a clock can tell."""

_BEGIN = json.dumps({"position": 0, "tapes": {}})


class Recorded:
    """A merge as a run took it in before, as fast as it is read; a `Feed`."""

    def __init__(self, merge: Merge, record: Record) -> None:
        self._merge, self._record = merge, record
        self.schema: pa.Schema = merge.schema

    @property
    def position(self) -> int:
        """The position of the next row."""
        return self._merge.position

    def read(self, limit: int) -> FeedBatch | None:
        """The next rows without those dropped; None at the end. Raises `FeedError` leaves."""
        batch = self._merge.read(limit)
        return None if batch is None else as_recorded(batch, self._record)

    def seek(self, cursor: str) -> None:
        """Go on behind the batch that had this cursor; before the first read."""
        self._merge.seek(cursor)

    def rejected(self) -> RejectReport:
        """The rows that could not be used so far."""
        return self._merge.rejected()

    def digests(self) -> dict[str, str]:
        """Hex SHA-256 of each input's content, by feed name."""
        return self._merge.digests()

    def close(self) -> None:
        """Release the files."""
        self._merge.close()


class Live:
    """A merge in which each row comes due at its known-at; a `Feed`.

    Time begins at the first `read`, with the first row, and goes `pace` times as fast as the
    clock. `bounds` says of each feed how far it may fall behind; rows below the `through` of
    `record` are taken in as that says. `read` never waits: after it returned `Quiet`, `wake` is
    called, from another thread, once something is due.
    """

    def __init__(
        self,
        merge: Merge,
        pace: float,
        bounds: Mapping[str, Bound],
        record: Record,
        wake: Callable[[], None],
    ) -> None:
        self._merge, self._pace, self._bounds, self._record = merge, pace, bounds, record
        self._wake = wake
        self._lossy = any(bound.overload != "block" for bound in bounds.values())
        self._backlog = Backlog(bounds, record, 0, _BEGIN)
        self._changed = Condition()
        self._thread: Thread | None = None
        self._began = self._origin = -1
        self._asked = self._ended = self._closed = False
        self._failure: Exception | None = None
        self._broken: Exception | None = None
        self.schema: pa.Schema = merge.schema

    @property
    def position(self) -> int:
        """The position of the next row."""
        return self._backlog.position

    def seek(self, cursor: str) -> None:
        """Go on behind the batch that had this cursor; before the first read."""
        fields = json.loads(cursor)
        position = int(fields["position"]) + int(fields.get("skip", 0))
        self._merge.seek(cursor)
        self._backlog = Backlog(self._bounds, self._record, position, cursor)

    def read(self, limit: int) -> FeedBatch | Quiet | None:
        """What is due, `limit` rows at most; None at the end. Raises `FeedError` leaves."""
        with self._changed:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="lucent-feed", daemon=True)
                self._thread.start()
            if self._broken is not None:
                raise self._broken
            now = self._now()
            self._backlog.come_due(now)
            batch = self._backlog.take(limit)
            self._asked = batch is None
            if self._asked or self._backlog.hungry:
                self._changed.notify()
            if batch is not None:
                return self._told(batch, now)
            if not self._over:
                return QUIET
            if self._failure is not None:
                raise self._failure
            return None

    def rejected(self) -> RejectReport:
        """The rows that could not be used so far."""
        return self._merge.rejected()

    def digests(self) -> dict[str, str]:
        """Hex SHA-256 of each input's content, by feed name."""
        return self._merge.digests()

    def close(self) -> None:
        """End the thread and release the files."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        self._merge.close()

    def _told(self, batch: FeedBatch, now: int) -> FeedBatch:
        dropped = batch.dropped if self._lossy else None
        if not batch.rows.num_rows:
            return replace(batch, dropped=dropped)
        due = batch.rows.column("known_at")[0].as_py()
        return replace(batch, dropped=dropped, age=(now - due) / self._pace / 1e9)

    def _now(self) -> int:
        if self._began < 0:
            return -1
        elapsed = min((monotonic_ns() - self._began) * self._pace, LAST_TIME)
        return min(self._origin + int(elapsed), LAST_TIME)

    def _run(self) -> None:
        try:
            self._read_on()
        except Exception as error:  # noqa: BLE001 (whoever reads is told)
            self._broken = error
            self._wake()

    def _read_on(self) -> None:
        """Have the next rows at hand before those before them are due."""
        while not self._ended:
            batch, failure = self._read_ahead()
            if not self._await():
                return
            with self._changed:
                self._failure, self._ended = failure, batch is None
                if batch is not None:
                    self._backlog.add(batch)
                if self._began < 0 and self._backlog.next_due is not None:
                    self._began, self._origin = monotonic_ns(), self._backlog.next_due
        self._await()

    def _read_ahead(self) -> tuple[FeedBatch | None, Exception | None]:
        try:
            return self._merge.read(CHUNK), None
        except Exception as error:  # noqa: BLE001 (raised behind the rows before it)
            return None, error

    def _await(self) -> bool:
        """Wait until there is room for more, and tell of what comes due; False if closed."""
        with self._changed:
            while not self._closed:
                self._backlog.come_due(self._now())
                if self._asked and (self._backlog.waiting or self._over):
                    self._asked = False
                    self._wake()
                if self._backlog.hungry and not self._ended:
                    return True
                self._changed.wait(self._rest())
        return False

    @property
    def _over(self) -> bool:
        return self._ended and self._backlog.next_due is None

    def _rest(self) -> float | None:
        """Seconds until there is something to do; None: until `read` or `close` is called."""
        due = self._backlog.next_due if self._asked else self._backlog.last_due
        if due is None:
            return None
        return min(max(NAP, (due - self._now()) / self._pace / 1e9), LONGEST_NAP)
