"""Links, followed to the events of a store that they stand for."""

from __future__ import annotations

from contextlib import suppress

from runtime.errors import StreamDeleted, StreamNotFound
from runtime.events import RecordedEvent
from runtime.store.link import Resolved, target_of
from runtime.store.port import EventStore


def resolve(store: EventStore, event: RecordedEvent) -> Resolved:
    """The event itself, or what it stands for in `store` if it is a link."""
    target = target_of(event)
    return Resolved(event) if target is None else Resolved(_target(store, *target), event)


def _target(store: EventStore, stream: str, revision: int) -> RecordedEvent | None:
    with suppress(StreamNotFound, StreamDeleted):
        found = store.read_stream(stream, revision, limit=1)
        return next((event for event in found if event.revision == revision), None)
    return None
