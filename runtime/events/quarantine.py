"""What a run records of aggregates it cannot decide on, in `system-<run>/<agent>/<aggregate>`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from runtime.events.lifecycle import Lifecycle


class QuarantineEvent(Lifecycle):
    """Base: whose aggregate it is, and how it stands behind this event.

    `parked_at` is the position of the event that cannot be decided on, None once the
    aggregate goes on; `held_to` the position of the last event that is held, `held` how many
    are. It was tried again `tries` times, and `tries_left` more times it is by itself.
    """

    run_id: str
    stage: str
    agent: str
    aggregate: str
    parked_at: int | None
    held_to: int
    held: int = 0
    tries: int = 0
    tries_left: int = 0


class AggregateParked(QuarantineEvent):
    """The strategy raised on an event: it and all later ones of the aggregate are held."""

    error: str
    trace: str = Field(description="the traceback, for people only: nothing is decided from it")
    state: str = Field(description="the state before the event, as in snapshots (base64)")
    row: str = Field(description="the event, as an Arrow IPC stream (base64)")
    strategy: str = Field(description="module:Class")
    version: str
    parameters: dict[str, Any]


class EventsHeld(QuarantineEvent):
    """Events of a parked aggregate, to be decided on when it is released."""

    first: int
    count: int
    rows: str = Field(description="the events, as an Arrow IPC stream (base64)")


class ReleaseBegun(QuarantineEvent):
    """The aggregate is about to be given what is held of it, positions `first` to `last`.

    With `drop` it is not given the first event. What it decides on them comes late: later
    stages pass it over.
    """

    first: int
    last: int
    drop: bool


class ReleaseAdvanced(QuarantineEvent):
    """The aggregate has decided on some of what was held; the rest follows."""


class AggregateReleased(QuarantineEvent):
    """The aggregate has decided on what was held, and goes on."""
