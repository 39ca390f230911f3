"""What a run records of feeds it fell behind, in `system-<run>/<stage>`.

A run that goes on, or is replayed, takes in what these events say: rows in `dropped` are
left out, all others below `through` are not.
"""

from __future__ import annotations

from pydantic import Field

from runtime.events.lifecycle import Lifecycle


class IntakeEvent(Lifecycle):
    """Base: of which stage, and `dropped_to`: the last position it has dropped so far."""

    run_id: str
    stage: str
    through: int = Field(description="below this position only rows in `dropped` are left out")
    dropped_to: int


class IntakeAdvanced(IntakeEvent):
    """The stage is about to take in rows up to position `through`."""


class TicksDropped(IntakeEvent):
    """Base: rows that were not taken in, as inclusive ranges of positions."""

    dropped: list[tuple[int, int]]


class TicksConflated(TicksDropped):
    """Each of these rows was merged into a later one of its feed and aggregate."""


class TicksRejected(TicksDropped):
    """These rows were refused: the feed was too far behind."""
