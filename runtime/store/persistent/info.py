"""What is told of a group. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runtime.store.persistent.meter import Rate
from runtime.store.persistent.roster import ConsumerInfo


@dataclass(frozen=True, slots=True)
class Figures:
    """How a group stands: `checkpoint` and `known` (the last event met) are places, if any.

    `fresh` counts the events that wait to be delivered for the first time, `retried`
    those that wait to be delivered again, `in_flight` those with consumers, `parked` those
    put aside.
    """

    status: str
    rate: Rate
    consumers: Sequence[ConsumerInfo]
    checkpoint: int | None
    known: int | None
    fresh: int
    retried: int
    in_flight: int
    parked: int
    live: bool


def status_of(*, live: bool, reading: bool, replaying: bool) -> str:
    """KurrentDB's words for the state of a group.

    >>> status_of(live=False, reading=True, replaying=False)
    'Behind, OutstandingPageRequest'
    >>> status_of(live=True, reading=True, replaying=True)
    'ReplayingParkedMessages, Live'
    """
    flags = {
        "Behind": not live,
        "OutstandingPageRequest": reading and not live,
        "ReplayingParkedMessages": replaying,
        "Live": live,
    }
    return ", ".join(name for name, holds in flags.items() if holds)
