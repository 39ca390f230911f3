"""The streams that a projection writes to: what must stand in them, or in their metadata, first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

import msgspec

from runtime.errors import StreamNotFound
from runtime.events import NewEvent, RecordedEvent, named_id
from runtime.store.policy import METADATA_TYPE, metastream, revived_metadata
from runtime.store.projections.book import Placed
from runtime.store.projections.definition import Definition, tag_of
from runtime.store.projections.names import TRACKED, Names
from runtime.store.sqlite import SqliteStore

MOST_KNOWN = 100_000
"""Streams that are remembered at the most; one that is forgotten is looked at again."""

_OPEN = msgspec.json.encode({"$acl": {"$r": "$all", "$mr": "$all"}})


class Targets:
    """Knows the streams that were written to already.

    Everybody may read those of the store's own projections. What a projection emitted before
    it began anew is truncated as soon as it writes to that stream again.
    """

    def __init__(self, store: SqliteStore, definition: Definition) -> None:
        self._store = store
        self._definition = definition
        self._known: set[str] = set()
        self._tracked: set[str] | None = None

    def opened(self, streams: Iterable[str]) -> list[Placed]:
        """What has to be written before anything is written to `streams`."""
        fresh = [stream for stream in dict.fromkeys(streams) if stream not in self._known]
        if len(self._known) + len(fresh) > MOST_KNOWN:
            self._known.clear()
        self._known.update(fresh)
        return [placed for stream in fresh for placed in self._first(stream)]

    def tracked(self, streams: Iterable[str]) -> list[Placed]:
        """The records of those of `streams` that are not known yet, if they are to be kept."""
        if not self._definition.track_emitted_streams:
            return []
        record = Names(self._definition.name).tracked
        if self._tracked is None:
            self._tracked = set(tracked_by(self._store, self._definition.name))
        names = [stream for stream in dict.fromkeys(streams) if stream not in self._tracked]
        self._tracked.update(names)
        return [(record, self._event(TRACKED, name, name.encode())) for name in names]

    def _first(self, stream: str) -> Iterator[Placed]:
        if self._definition.standard and self._store.revision(stream) < 0:
            yield metastream(stream), self._event(METADATA_TYPE, stream, _OPEN)
        last = last_of(self._store, stream) if self._definition.epoch >= 0 else None
        tag = None if last is None else tag_of(last.metadata)
        if last is None or tag is None:
            return
        number, epoch = tag
        if number == self._definition.number and epoch < self._definition.epoch:
            described = last_of(self._store, metastream(stream))
            data = revived_metadata(b"" if described is None else described.data, last.revision + 1)
            yield metastream(stream), self._event(METADATA_TYPE, f"{stream}/anew", data)

    def _event(self, kind: str, what: str, data: bytes) -> NewEvent:
        definition = self._definition
        identity = named_id(f"target/{definition.number}/{definition.epoch}/{kind}/{what}")
        return NewEvent(identity, kind, data, b"", kind == METADATA_TYPE)


def tracked_by(store: SqliteStore, name: str) -> list[str]:
    """The streams that the projection `name` is known to have emitted to."""
    return texts_of(store, Names(name).tracked)


def texts_of(store: SqliteStore, stream: str) -> list[str]:
    """The data of the events of a stream, each a text."""
    with suppress(StreamNotFound):
        return [event.data.decode(errors="replace") for event in store.read_stream(stream)]
    return []


def last_of(store: SqliteStore, stream: str) -> RecordedEvent | None:
    """The last event of a stream that is to be seen, if any is."""
    with suppress(StreamNotFound):
        return next(iter(store.read_stream(stream, backwards=True, limit=1)), None)
    return None
