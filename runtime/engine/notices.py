"""What the log is told beside decisions: of quarantine, and of what was taken in. Pure."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.engine.held import Standing
from runtime.engine.intake import AHEAD, IntakeBook
from runtime.engine.ipc import read_ipc, write_ipc
from runtime.engine.pen import Author, Log, Pen
from runtime.engine.results import (
    Advanced,
    Freed,
    Held,
    Notice,
    Parked,
    Releasing,
    Switched,
    Taken,
    Who,
)
from runtime.errors import QuarantineFull
from runtime.events import (
    AggregateParked,
    AggregateReleased,
    EventsHeld,
    QuarantineEvent,
    ReleaseAdvanced,
    ReleaseBegun,
    quarantine_stream,
    run_stream,
)
from runtime.store import Append

HELD_EVENTS = 1_000_000
"""So many events of one aggregate are held; then the run ends."""


@dataclass(slots=True)
class _Page:
    """Where the stream of an aggregate stands."""

    parked_at: int | None = None
    held_to: int = -1
    held: int = 0
    tries: int = 0
    tries_left: int = 0
    last: tuple[Any, ...] = ()


@dataclass(slots=True)
class NoticeBook:
    """Turns notices into events to append; what the log holds already is passed over.

    After a restart hosts may park and hold again what was parked and held before. Raises
    `QuarantineFull` when more than a million events of an aggregate are held.
    """

    pen: Pen
    intake: IntakeBook
    _pages: dict[Who, _Page] = field(default_factory=dict)

    @classmethod
    def of(cls, author: Author, log: Log, ahead: int = AHEAD) -> NoticeBook:
        """A book over `log`; so many positions `ahead` are announced as taken in."""
        pen = Pen(author, log)
        return cls(pen, IntakeBook(pen, ahead))

    def note(self, stage: str, notice: Notice) -> None:
        """Take a notice in."""
        if isinstance(notice, Taken):
            self.intake.note(stage, notice)
            return
        if isinstance(notice, Switched):
            self._switch(notice)
            return
        page = self._pages.get(notice.who) or self._pages.setdefault(
            notice.who, self._read(notice.who)
        )
        match notice:
            case Parked():
                self._park(stage, page, notice)
            case Held():
                self._hold(stage, page, notice)
            case Releasing():
                self._begin(stage, page, notice)
            case Advanced() if page.parked_at != notice.position:
                self._move(page, notice.position, notice.gone)
                self._add(page, ReleaseAdvanced(**self._base(stage, page, notice.who)))
            case Freed() if page.parked_at is not None:
                self._move(page, None, page.held)
                self._add(page, AggregateReleased(**self._base(stage, page, notice.who)))

    def appends(self) -> list[Append]:
        """The events of all notices since the last call."""
        return self.pen.appends()

    def _switch(self, switched: Switched) -> None:
        author = self.pen.author
        stamps = dict(author.stamps)
        for one in switched.upgrades:
            told = {"strategy": one.reference, "version": one.version, "parameters": one.parameters}
            stamps[one.agent] = told
            self.pen.write(run_stream(author.run), one, f"lifecycle/{author.run_id}")
        self.pen.author = replace(author, stamps=stamps)

    def _park(self, stage: str, page: _Page, parked: Parked) -> None:
        if page.parked_at == parked.position and not page.last:
            return
        self._move(page, parked.position, parked.gone)
        page.tries, page.tries_left = parked.tries, max(0, parked.attempts - parked.tries)
        self._add(
            page,
            AggregateParked(
                **self._base(stage, page, parked.who),
                error=parked.error,
                trace=parked.trace,
                state=b64encode(parked.state).decode(),
                row=b64encode(parked.row).decode(),
                **self.pen.author.stamps[parked.who.agent],
            ),
        )

    def _hold(self, stage: str, page: _Page, held: Held) -> None:
        new = [at for at, position in enumerate(held.positions) if position > page.held_to]
        if not new:
            return
        page.held += len(new)
        if page.held > HELD_EVENTS:
            raise QuarantineFull(
                f"more than {HELD_EVENTS:,} events of aggregate {held.who.aggregate!r} of agent"
                f" {held.who.agent!r} are held since position {page.parked_at}: release or drop"
                " it with 'lucent quarantine', then resume"
            )
        rows = read_ipc(held.rows).slice(new[0])
        page.held_to = held.positions[-1]
        self._add(
            page,
            EventsHeld(
                **self._base(stage, page, held.who),
                first=held.positions[new[0]],
                count=len(new),
                rows=b64encode(write_ipc(rows)).decode(),
            ),
        )

    def _begin(self, stage: str, page: _Page, begun: Releasing) -> None:
        if page.last == begun[1:]:
            return
        base = self._base(stage, page, begun.who)
        self._add(page, ReleaseBegun(**base, first=begun.first, last=begun.last, drop=begun.drop))
        page.last = begun[1:]

    def _base(self, stage: str, page: _Page, who: Who) -> dict[str, Any]:
        return {
            "run_id": self.pen.author.run_id,
            "stage": stage,
            **who._asdict(),
            "parked_at": page.parked_at,
            "held_to": page.held_to,
            "held": page.held,
            "tries": page.tries,
            "tries_left": page.tries_left,
        }

    @staticmethod
    def _move(page: _Page, position: int | None, gone: int) -> None:
        """The aggregate is parked at `position` now, and `gone` events are no longer held."""
        page.parked_at, page.held = position, max(0, page.held - gone)
        page.tries = page.tries_left = 0

    def _read(self, who: Who) -> _Page:
        event = self.pen.last(quarantine_stream(self.pen.author.run, *who))
        if event is None:
            return _Page()
        at = Standing.model_validate_json(event.data)
        page = _Page(at.parked_at, at.held_to, at.held, at.tries, at.tries_left)
        if event.type == ReleaseBegun.__name__:
            begun = ReleaseBegun.model_validate_json(event.data)
            page.last = (begun.first, begun.last, begun.drop)
        return page

    def _add(self, page: _Page, body: QuarantineEvent) -> None:
        author = self.pen.author
        stream = quarantine_stream(author.run, body.agent, body.aggregate)
        self.pen.write(stream, body, f"quarantine/{author.run_id}/{stream}")
        page.last = ()
