"""What the log is told of aggregates in quarantine: signed and chained like all else. Pure."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

from pydantic import BaseModel

from runtime.engine.ipc import read_ipc, write_ipc
from runtime.engine.results import Advanced, Freed, Held, Notice, Parked, Releasing, Who
from runtime.errors import QuarantineFull
from runtime.events import (
    GENESIS,
    AggregateParked,
    AggregateReleased,
    Cause,
    EventsHeld,
    NewEvent,
    QuarantineEvent,
    RecordedEvent,
    ReleaseAdvanced,
    ReleaseBegun,
    cause_fields,
    named_id,
    quarantine_stream,
    time_text,
    unsigned_metadata,
)
from runtime.identity import draft, recorded_digest, seal
from runtime.store import Append

HELD_EVENTS = 1_000_000
"""So many events of one aggregate are held; then the run ends."""


class Log(Protocol):
    """What is asked of the log."""

    def revision(self, stream: str) -> int:
        """The last revision of `stream`, -1 if it has none."""

    def event(self, stream: str, revision: int) -> RecordedEvent:
        """The event at that revision."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who records: the run, its own key, and what each agent's strategy is.

    `stamps` maps agents to the fields `strategy`, `version` and `parameters`.
    """

    run: str
    run_id: str
    did: str
    sign: Callable[[bytes], bytes]
    stamps: Mapping[str, Mapping[str, Any]]


@dataclass(slots=True)
class _Page:
    """Where the stream of an aggregate stands."""

    revision: int
    digest: str
    parked_at: int | None = None
    held_to: int = -1
    held: int = 0
    last: tuple[Any, ...] = ()


@dataclass(slots=True)
class NoticeBook:
    """Turns notices into events to append; what the log holds already is passed over.

    After a restart hosts may park and hold again what was parked and held before. Raises
    `QuarantineFull` when more than a million events of an aggregate are held.
    """

    author: Author
    log: Log
    _pages: dict[Who, _Page] = field(default_factory=dict)
    _written: dict[str, list[NewEvent]] = field(default_factory=dict)
    _firsts: dict[str, int] = field(default_factory=dict)

    def note(self, stage: str, notice: Notice) -> None:
        """Take a notice in."""
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
                page.parked_at = notice.position
                self._add(page, ReleaseAdvanced(**self._base(stage, page, notice.who)))
            case Freed() if page.parked_at is not None:
                page.parked_at, page.held = None, 0
                self._add(page, AggregateReleased(**self._base(stage, page, notice.who)))

    def appends(self) -> list[Append]:
        """The events of all notices since the last call."""
        appends = [
            Append(stream, self._firsts[stream] - 1, events)
            for stream, events in self._written.items()
        ]
        self._written, self._firsts = {}, {}
        return appends

    def _park(self, stage: str, page: _Page, parked: Parked) -> None:
        if page.parked_at == parked.position:
            return
        page.parked_at = parked.position
        self._add(
            page,
            AggregateParked(
                **self._base(stage, page, parked.who),
                error=parked.error,
                trace=parked.trace,
                state=b64encode(parked.state).decode(),
                row=b64encode(parked.row).decode(),
                **self.author.stamps[parked.who.agent],
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
            "run_id": self.author.run_id,
            "stage": stage,
            **who._asdict(),
            "parked_at": page.parked_at,
            "held_to": page.held_to,
        }

    def _read(self, who: Who) -> _Page:
        stream = quarantine_stream(self.author.run, *who)
        revision = self.log.revision(stream)
        if revision < 0:
            return _Page(-1, GENESIS)
        event = self.log.event(stream, revision)
        body = _Standing.model_validate_json(event.data)
        page = _Page(revision, recorded_digest(event), body.parked_at, body.held_to)
        if event.type == ReleaseBegun.__name__:
            begun = ReleaseBegun.model_validate_json(event.data)
            page.last = (begun.first, begun.last, begun.drop)
        return page

    def _add(self, page: _Page, body: QuarantineEvent) -> None:
        author = self.author
        stream = quarantine_stream(author.run, body.agent, body.aggregate)
        cause = Cause(author.run_id, stream, page.revision, 0, 0, 0)
        metadata = unsigned_metadata(
            author.run_id, author.did, time_text(0), cause_fields(cause), page.digest
        )
        name = named_id(f"quarantine/{author.run_id}/{stream}/{page.revision + 1}")
        event = NewEvent(name, type(body).__name__, body.model_dump_json().encode(), metadata)
        drafted = draft(stream, page.revision + 1, event)
        self._firsts.setdefault(stream, drafted.revision)
        self._written.setdefault(stream, []).append(seal(drafted, author.sign))
        page.revision += 1
        page.digest = sha256(drafted.message).hexdigest()
        page.last = ()


class _Standing(BaseModel):
    """What every event of a quarantine stream says of how its aggregate stands."""

    parked_at: int | None
    held_to: int
