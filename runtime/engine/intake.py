"""What the log is told of rows a stage takes in and leaves out, and reads back of it. Pure.

Which rows are dropped depends on how fast a run is. So before anything is decided on a row,
the log says what was dropped before it; and up to which position a run that is taken up again
must not drop what it may have decided on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from runtime.engine.pen import Pen
from runtime.engine.results import Taken
from runtime.errors import StreamNotFound
from runtime.events import (
    IntakeAdvanced,
    IntakeEvent,
    RecordedEvent,
    TicksConflated,
    TicksDropped,
    TicksRejected,
    intake_stream,
)
from runtime.feeds import Drop, Record

END = 1 << 62
"""Beyond every position."""

AHEAD = 65_536
"""So many positions at a time are announced as taken in."""

_TYPES: dict[str, type[TicksDropped]] = {"conflate": TicksConflated, "reject": TicksRejected}
_POLICIES = {kind.__name__: policy for policy, kind in _TYPES.items()}


@dataclass(slots=True)
class IntakeBook:
    """Turns what a stage takes in into events; what the log holds already is passed over."""

    pen: Pen
    ahead: int = AHEAD
    _reached: dict[str, tuple[int, int]] = field(default_factory=dict)

    def note(self, stage: str, taken: Taken) -> None:
        """Take a notice in."""
        through, dropped_to = self._reached.get(stage) or self._read(stage)
        news = [
            Drop(
                drop.policy,
                tuple((max(a, dropped_to + 1), b) for a, b in drop.ranges if b > dropped_to),
            )
            for drop in taken.dropped
        ]
        latest = dropped_to
        news = [drop for drop in news if drop.ranges]
        if taken.end > through:
            through = (taken.end // self.ahead + 1) * self.ahead
            if not news:
                self._write(stage, IntakeAdvanced, through, latest)
        for drop in news:
            latest = max(latest, drop.ranges[-1][1])
            self._write(stage, _TYPES[drop.policy], through, latest, dropped=list(drop.ranges))
        self._reached[stage] = through, latest

    def _write(
        self, stage: str, kind: type[IntakeEvent], through: int, latest: int, **more: object
    ) -> None:
        author = self.pen.author
        fields = {"run_id": author.run_id, "stage": stage, "through": through}
        body = kind.model_validate(fields | {"dropped_to": latest} | more)
        stream = intake_stream(author.run, stage)
        self.pen.write(stream, body, f"intake/{author.run_id}/{stream}")

    def _read(self, stage: str) -> tuple[int, int]:
        event = self.pen.last(intake_stream(self.pen.author.run, stage))
        if event is None:
            return 0, -1
        body = IntakeEvent.model_validate_json(event.data, extra="ignore")
        return body.through, body.dropped_to


class Streams(Protocol):
    """What is asked of an event store."""

    def read_stream(self, stream: str, *, backwards: bool = False) -> Iterator[RecordedEvent]:
        """The events of `stream`; `StreamNotFound` for one that was never written."""


def recorded_intake(
    store: Streams, run: str, stage: str, *, since: int = 0, whole: bool = False
) -> Record:
    """What the log says a stage took in and left out from position `since` on.

    `whole`: there was nothing else, beyond what it announced neither.
    """
    through, drops = 0, []
    with suppress(StreamNotFound):
        for event in store.read_stream(intake_stream(run, stage), backwards=True):
            body = IntakeEvent.model_validate_json(event.data, extra="ignore")
            through = max(through, body.through)
            if body.dropped_to < since:
                break
            if event.type in _POLICIES:
                dropped = TicksDropped.model_validate_json(event.data)
                drops.append(Drop(_POLICIES[event.type], tuple(dropped.dropped)))
    return Record.of(END if whole else through, drops)
