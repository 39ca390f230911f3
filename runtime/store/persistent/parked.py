"""The accounts of the events that a group has put aside. Pure.

The parked stream is truncated up to the first event that is not done with, so that one
that is replayed and not answered for is still there after a restart.
"""

from __future__ import annotations

from collections.abc import Sequence

from runtime.store.persistent.buffer import Held


class Parked:
    """What a parked stream holds, and how far a replay of it has come.

    Revisions are those of the parked stream.
    """

    def __init__(self, first: int = 0, last: int = -1) -> None:
        """`first` is its first revision to be seen, `last` its last one, -1 if there is none."""
        self._cut = first
        self._cutting: int | None = None
        self._failed = False
        self._last = last
        self._next = first
        self._until = first
        self._reading = False
        self._open: set[int] = set()

    @property
    def count(self) -> int:
        """How many events wait to be replayed."""
        return max(0, self._last + 1 - self._next)

    @property
    def replaying(self) -> bool:
        """Whether events are still to be read for a replay."""
        return self._next < self._until

    @property
    def reading(self) -> bool:
        """Whether events were asked for that did not come yet."""
        return self._reading

    def added(self, revision: int) -> None:
        """An event was parked at `revision`: beyond the next one in a stream made anew."""
        if revision > self._next and not self.count and not self._open:
            self._next = self._cut = revision
        self._last = max(self._last, revision)

    def replay(self, last: int, stop_at: int | None) -> None:
        """Replay what there is up to `last`, or before `stop_at`; ignored while one goes on."""
        self._last = max(self._last, last)
        if not self.replaying:
            end = self._last + 1 if stop_at is None else min(stop_at, self._last + 1)
            self._until = max(end, self._next)

    def wanted(self, most: int) -> tuple[int, int] | None:
        """The revision to read from and how many events, `most` at the most; None for none."""
        if self._reading or most < 1 or not self.replaying:
            return None
        self._reading = True
        return self._next, min(most, self._until - self._next)

    def read(self, found: Sequence[Held]) -> list[Held]:
        """Take what was read; answers what of it is replayed."""
        self._reading = False
        replayed = [held for held in found if held.place < self._until]
        self._next = replayed[-1].place + 1 if replayed else self._until
        replayed = [held for held in replayed if held.found.event is not None]
        self._open |= {held.place for held in replayed}
        return replayed

    def failed(self) -> None:
        """What was wanted could not be read."""
        self._reading = False

    def done(self, revision: int) -> None:
        """A replayed event is acknowledged, skipped or parked anew."""
        self._open.discard(revision)

    def truncation(self, *, tick: bool) -> int | None:
        """The revision to cut the stream before: at the end of a replay, or at a tick.

        A cut that could not be made waits for a tick.
        """
        before = min(self._open, default=self._next)
        early = (self._open or self._failed) and not tick
        busy = self._cutting is not None or early
        if busy or before <= self._cut:
            return None
        self._cutting = before
        return before

    def truncated(self, *, stored: bool) -> None:
        """The cut is durable, or could not be made."""
        assert self._cutting is not None
        self._cut = self._cutting if stored else self._cut
        self._failed = not stored
        self._cutting = None
