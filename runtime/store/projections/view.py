"""Events as handlers of projections see them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from runtime.events import RecordedEvent, id_text
from runtime.store.link import LINK_TYPE, target_of
from runtime.store.policy import described_by
from runtime.store.projections.description import Description
from runtime.store.projections.emission import Cause, cause_of, json_object
from runtime.store.projections.names import is_system
from runtime.store.projections.standard import deleted_stream, is_sound

Resolve = Callable[[str, int], RecordedEvent | None]
"""The event of a stream at a revision, if it can be seen."""


class View(msgspec.Struct, frozen=True, rename="camel"):
    """An event for the handlers; `partition` is the stream whose part of the state it is for.

    `deleted`: it tells that this stream was deleted. What is no UTF-8 is shown with marks.
    """

    stream: str
    number: int
    type: str
    id: str
    json: bool
    body: str
    metadata: str
    link_metadata: str | None
    created: str
    category: str
    partition: str
    deleted: bool


class Seen(NamedTuple):
    """A view, and the event it shows as the cause of what handlers emit."""

    view: View
    cause: Cause


def seen(event: RecordedEvent, description: Description, resolve: Resolve) -> Seen | None:
    """What a query's handlers see of an event of the log; None if it does not concern them."""
    if description.all:
        return _of_log(event, description)
    if event.stream not in description.sources:
        return None
    found = event if event.type != LINK_TYPE else _target(event, resolve)
    if description.deletions:
        gone = _deleted_by(event, found)
        if gone is not None:
            return _seen(event, event, description, gone, deleted=True)
    if found is None or not is_sound(found) or not _wanted(found, description):
        return None
    return _seen(event, found, description, _partition(found))


def _of_log(event: RecordedEvent, description: Description) -> Seen | None:
    hidden = event.type == LINK_TYPE and not description.links
    if is_system(event.stream) or hidden or not is_sound(event):
        return None
    gone = deleted_stream(event) if description.deletions else None
    if gone is not None:
        return _seen(event, event, description, gone, deleted=True)
    if not _wanted(event, description):
        return None
    return _seen(event, event, description, _partition(event))


def _wanted(event: RecordedEvent, description: Description) -> bool:
    return description.every or event.type in description.events


def _target(event: RecordedEvent, resolve: Resolve) -> RecordedEvent | None:
    target = target_of(event)
    return None if target is None else resolve(*target)


def _deleted_by(event: RecordedEvent, found: RecordedEvent | None) -> str | None:
    """The stream whose deletion an event of a category's stream tells of."""
    noted = json_object(event.metadata)
    if event.type == LINK_TYPE and "$deleted" in noted:
        source = noted.get("$o")
        return source if isinstance(source, str) else None
    return None if found is None else deleted_stream(found)


def _partition(event: RecordedEvent) -> str:
    return described_by(event.stream) or event.stream


def _seen(
    event: RecordedEvent,
    found: RecordedEvent,
    description: Description,
    partition: str,
    *,
    deleted: bool = False,
) -> Seen:
    created = datetime.fromtimestamp(found.recorded_at / 10**9, UTC)
    view = View(
        stream=found.stream,
        number=found.revision,
        type=found.type,
        id=id_text(found.event_id),
        json=found.json,
        body=found.data.decode(errors="replace"),
        metadata=found.metadata.decode(errors="replace"),
        link_metadata=None if event is found else event.metadata.decode(errors="replace"),
        created=created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        category=description.category,
        partition=partition,
        deleted=deleted,
    )
    return Seen(view, cause_of(found, event.position))
