"""Events to store, named by one letter or more."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runtime.events import NewEvent, RecordedEvent, named_id
from runtime.store import EventStore


def event(name: str, kind: str = "PriceObserved") -> NewEvent:
    return NewEvent(named_id(name), kind, b'{"price":1}', f'{{"n":"{name}"}}'.encode())


def events(names: str, kind: str = "PriceObserved") -> list[NewEvent]:
    return [event(name, kind) for name in names]


def ids(found: object) -> list[bytes]:
    return [item.event_id for item in found if isinstance(item, RecordedEvent)]


def names(text: str) -> list[bytes]:
    return [named_id(name) for name in text]


def before_and_after(store: EventStore, reopen: Callable[[], EventStore]) -> Iterator[EventStore]:
    """The store as it is, then as it is when it is opened again."""
    yield store
    yield reopen()
