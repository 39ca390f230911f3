"""When a group writes down how far it has come. Pure."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from runtime.store.persistent.settings import Subscription

PASSED_OVER = 4096
"""How far a filter may pass over the log without a checkpoint, in positions."""


class Done(NamedTuple):
    """All up to `place` is done with (None: nothing is); `events` were met up to there."""

    place: int | None
    events: int


class Progress:
    """The rule of checkpoints, and the last one. One is written at a time.

    One is due when `max_checkpoint` events are done since the last, or, on a tick, when
    `checkpoint_after` has passed and `min_checkpoint` are done; and when a filter has
    passed over much of the log. One that could not be stored waits for a tick.
    """

    def __init__(self, subscription: Subscription, place: int | None) -> None:
        """`place` is that of the last checkpoint, if there is one."""
        self._settings = subscription.settings
        self._filtered = subscription.filtered
        self._floor = subscription.first - 1 if place is None else place
        self.place = place
        self._count = 0
        self._at = -inf
        self._writing: Done | None = None
        self._failed = False

    def is_due(self, done: Done, now: float, *, tick: bool) -> bool:
        """Whether to write `done` down; if not, nothing below it is to be written either."""
        if self._writing is not None or done.place is None or done.place == self.place:
            return False
        if self._failed and not tick:
            return False
        settings, count = self._settings, done.events - self._count
        if count >= max(1, settings.max_checkpoint):
            return True
        if self._filtered and done.place - self._floor >= PASSED_OVER:
            return True
        rested = now - self._at >= settings.checkpoint_after / 1000
        return tick and rested and count >= max(1, settings.min_checkpoint)

    def begin(self, done: Done, now: float) -> None:
        """What is due is being written."""
        self._writing, self._failed = done, False
        self._at = now

    def stored(self) -> None:
        """What was begun is durable."""
        assert self._writing is not None
        self.place, self._count = self._writing
        self._floor = self.place or 0
        self._writing = None

    def failed(self) -> None:
        """What was begun could not be stored, and is due again."""
        self._writing, self._failed = None, True
