"""Writes what a run records in its own streams: signed and chained like all else. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

from pydantic import BaseModel

from runtime.events import (
    GENESIS,
    Cause,
    Entry,
    NewEvent,
    RecordedEvent,
    Scavenged,
    cause_fields,
    named_id,
    time_text,
    unsigned_metadata,
)
from runtime.identity import draft, recorded_digest, seal
from runtime.store import Append


class Log(Protocol):
    """What is asked of the log."""

    def revision(self, stream: str) -> int:
        """The last revision of `stream`, -1 if it has none."""

    def event(self, stream: str, revision: int) -> Entry:
        """The event at that revision, or what is kept of it."""


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
class Pen:
    """Appends to streams of which it remembers where they stand."""

    author: Author
    log: Log
    _ends: dict[str, tuple[int, str]] = field(default_factory=dict)
    _written: dict[str, list[NewEvent]] = field(default_factory=dict)
    _firsts: dict[str, int] = field(default_factory=dict)

    def last(self, stream: str) -> RecordedEvent | None:
        """The last event of a stream in the log, None if it has none."""
        revision = self.log.revision(stream)
        last = None if revision < 0 else self.log.event(stream, revision)
        assert not isinstance(last, Scavenged), "a scavenge leaves the last event of a stream"
        return last

    def write(self, stream: str, body: BaseModel, scope: str) -> None:
        """Append `body` to `stream`; its id is made of `scope` and its revision."""
        revision, digest = self._ends.get(stream) or self._end(stream)
        author = self.author
        cause = Cause(author.run_id, stream, revision, 0, 0, 0)
        metadata = unsigned_metadata(
            author.run_id, author.did, time_text(0), cause_fields(cause), digest
        )
        name = named_id(f"{scope}/{revision + 1}")
        event = NewEvent(name, type(body).__name__, body.model_dump_json().encode(), metadata)
        drafted = draft(stream, revision + 1, event)
        self._firsts.setdefault(stream, drafted.revision)
        self._written.setdefault(stream, []).append(seal(drafted, author.sign))
        self._ends[stream] = revision + 1, sha256(drafted.message).hexdigest()

    def appends(self) -> list[Append]:
        """What was written since the last call."""
        appends = [
            Append(stream, self._firsts[stream] - 1, events)
            for stream, events in self._written.items()
        ]
        self._written, self._firsts = {}, {}
        return appends

    def _end(self, stream: str) -> tuple[int, str]:
        event = self.last(stream)
        return (-1, GENESIS) if event is None else (event.revision, recorded_digest(event))
