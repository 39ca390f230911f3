"""The streams in which a store keeps its persistent subscriptions. Every method waits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from uuid import uuid4

import msgspec

from runtime.errors import StoreError, StreamDeleted, StreamNotFound
from runtime.events import NewEvent, RecordedEvent, time_text
from runtime.store.link import LINK_TYPE, Resolved
from runtime.store.persistent import config
from runtime.store.persistent.commands import Checkpoint, Park, Record, Truncate
from runtime.store.persistent.config import Config
from runtime.store.persistent.group import Standing
from runtime.store.persistent.messages import PageRead, ParkedRead, Recorded, RecordFailed
from runtime.store.persistent.place import place_of, place_text
from runtime.store.persistent.settings import Name, Subscription
from runtime.store.policy import (
    ALL,
    METADATA_TYPE,
    deleted_metadata,
    metadata_with,
    metastream,
    read_policy,
)
from runtime.store.port import Append, Appended, Expected, Write
from runtime.store.query import PAGE_BYTES
from runtime.store.resolution import resolve
from runtime.store.sqlite import SqliteStore

CHECKPOINT_TYPE = "$SubscriptionCheckpoint"
STRIDE = 4096
"""Positions of the log that one read looks at."""

KEPT = 2
"""Checkpoints, and configurations, that are kept."""


class Archive:
    """Reads and writes them, and the events that groups are for."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def config(self) -> Config:
        """The groups as they were last written down; raises `StoreDamaged` if that is none."""
        last = self._last(config.STREAM)
        return Config() if last is None else Config(last.data)

    def save(self, changed: Config) -> None:
        """Make the groups durable."""
        self._store.write(Write(self._saved(changed)))

    def remove(self, changed: Config, name: Name) -> None:
        """Make the groups durable without that one, whose streams are deleted: all or none."""
        streams = filter(self._is_there, (name.checkpoints, name.parked))
        gone = [_described(stream, deleted_metadata()) for stream in streams]
        self._store.write(Write([*self._saved(changed), *gone]))

    def end(self, stream: str) -> int:
        """The last position of the log, or the last revision of a stream; -1 if there is none."""
        if stream == ALL:
            return self._store.end()
        with suppress(StreamDeleted):
            return self._store.revision(stream)
        return -1

    def written(self, after: int) -> tuple[set[str] | None, int]:
        """The streams that were written behind a position, None for too many, and the end."""
        end = self._store.end()
        near = end - after <= STRIDE
        return (self._store.written_streams(after + 1, end) if near else None), end

    def standing(self, name: Name) -> Standing:
        """Where a group has come; a checkpoint that cannot be read counts for none."""
        last = self.end(name.parked)
        parked = self._stream_page(name.parked, 0, 1, resolved=False)
        first = parked[0].original.revision if parked else last + 1
        return Standing(self._checkpoint(name), first, last)

    def page(self, of: Subscription, start: int, limit: int) -> PageRead:
        """The next events that a group is for, `limit` at the most.

        A page, or one of parked events, holds no more than one beyond `PAGE_BYTES`.
        """
        if of.name.stream == ALL:
            return self._log_page(of, start, limit)
        page = self._stream_page(of.name.stream, start, limit, resolved=of.settings.resolve)
        through = page[-1].original.revision if page else start - 1
        return PageRead(page, through, _full(page, limit))

    def parked(self, name: Name, start: int, limit: int) -> ParkedRead:
        """The next parked events, resolved, `limit` at the most."""
        return ParkedRead(self._stream_page(name.parked, start, limit, resolved=True))

    def record(self, name: Name, records: Sequence[Record]) -> list[Recorded | RecordFailed]:
        """Make records durable in one transaction; tells of each whether that was done."""
        writes = [Write(self._appends(name, record)) for record in records]
        outcomes = self._store.write_each(writes)
        return [_outcome(*each) for each in zip(records, outcomes, strict=True)]

    def _log_page(self, of: Subscription, start: int, limit: int) -> PageRead:
        end = self._store.end()
        last = min(end, start + STRIDE - 1)
        only = replace(of.only, hide_bookkeeping=True)
        events = self._store.scan(start, last, limit=limit, only=only)
        page = self._filled(events, resolved=of.settings.resolve)
        through = page[-1].original.position if _full(page, limit) else last
        return PageRead(page, through, through < end)

    def _stream_page(
        self, stream: str, start: int, limit: int, *, resolved: bool
    ) -> list[Resolved]:
        with suppress(StreamNotFound, StreamDeleted):
            events = self._store.read_stream(stream, start, limit=limit)
            return self._filled(events, resolved=resolved)
        return []

    def _filled(self, events: Iterable[RecordedEvent], *, resolved: bool) -> list[Resolved]:
        """The first of `events`, until they reach `PAGE_BYTES`."""
        page: list[Resolved] = []
        size = 0
        for event in events:
            page.append(resolve(self._store, event) if resolved else Resolved(event))
            size += page[-1].size
            if size >= PAGE_BYTES:
                break
        return page

    def _appends(self, name: Name, record: Record) -> list[Append]:
        match record:
            case Park():
                return [Append(name.parked, Expected.ANY, [_link(record)])]
            case Checkpoint():
                text = place_text(name.stream, record.place)
                event = _event(CHECKPOINT_TYPE, msgspec.json.encode(text))
                return self._bounded(name.checkpoints, event)
            case Truncate():
                data = metadata_with(self._metadata(name.parked), "$tb", record.before)
                return [_described(name.parked, data)]

    def _saved(self, changed: Config) -> list[Append]:
        data = changed.encoded(time_text(time.time_ns()))
        return self._bounded(config.STREAM, _event(config.TYPE, data))

    def _is_there(self, stream: str) -> bool:
        """Whether there is a stream that can be deleted and was not yet."""
        with suppress(StreamDeleted):
            self._store.revision(metastream(stream))
            return self._store.revision(stream) >= 0
        return False

    def _bounded(self, stream: str, event: NewEvent) -> list[Append]:
        """The append of an event to a stream of which the last two are kept, or as many as it says.

        It says nothing at first, nor once it was deleted.
        """
        append = Append(stream, Expected.ANY, [event])
        data = self._metadata(stream)
        if read_policy(data).max_count is not None:
            return [append]
        return [_described(stream, metadata_with(data, "$maxCount", KEPT)), append]

    def _metadata(self, stream: str) -> bytes:
        last = self._last(metastream(stream))
        return b"{}" if last is None else last.data

    def _checkpoint(self, name: Name) -> int | None:
        last = self._last(name.checkpoints)
        if last is None:
            return None
        try:
            return place_of(name.stream, msgspec.json.decode(last.data, type=str))
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
            return None

    def _last(self, stream: str) -> RecordedEvent | None:
        with suppress(StreamNotFound, StreamDeleted):
            return next(self._store.read_stream(stream, backwards=True, limit=1), None)
        return None


def _full(page: Sequence[Resolved], limit: int) -> bool:
    """Whether there may be more behind a page."""
    return len(page) == limit or sum(each.size for each in page) >= PAGE_BYTES


def _outcome(record: Record, outcome: list[Appended] | Exception) -> Recorded | RecordFailed:
    if isinstance(outcome, StoreError):
        return RecordFailed(record)
    if isinstance(outcome, Exception):
        raise outcome
    return Recorded(record, outcome[-1].revision)


def _described(stream: str, data: bytes) -> Append:
    return Append(metastream(stream), Expected.ANY, [_event(METADATA_TYPE, data)])


def _event(kind: str, data: bytes, metadata: bytes = b"", *, json: bool = True) -> NewEvent:
    return NewEvent(uuid4().bytes, kind, data, metadata, json)


def _link(park: Park) -> NewEvent:
    """What the parked stream holds of an event: a link to it, and why it was put aside."""
    found = park.held.found
    event = found.event
    target = found.original.data if event is None else f"{event.revision}@{event.stream}".encode()
    metadata = {
        "added": time_text(time.time_ns()),
        "reason": park.reason,
        "subscriptionEventNumber": found.original.revision,
    }
    return _event(LINK_TYPE, target, msgspec.json.encode(metadata), json=False)
