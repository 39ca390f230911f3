"""What projections write: events with ids and metadata that repeat from run to run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from runtime.events import NewEvent, RecordedEvent, id_text, named_id
from runtime.store.link import LINK_TYPE
from runtime.store.port import Append, Expected
from runtime.store.projections.definition import Definition

STREAM_REFERENCE = "$@"
"""The type of an event whose data are the name of a stream."""

CORRELATION = "$correlationId"
Extra = Mapping[str, Any]
"""Metadata beside those that every emitted event has; values that JSON can hold."""

NO_EXTRA: Extra = MappingProxyType({})


class Emitted(NamedTuple):
    """An event for `stream`, without its id and the metadata that every one gets."""

    stream: str
    type: str
    data: bytes
    json: bool = False
    extra: Extra = NO_EXTRA


class Cause(NamedTuple):
    """The event that something is emitted for: where it was read, its id, its correlation."""

    position: int
    event_id: bytes
    correlation: str = ""


def cause_of(event: RecordedEvent, position: int | None = None) -> Cause:
    """`event` as a cause; read through a link, `position` is where that stands."""
    correlation = metadata_of(event).get(CORRELATION)
    found = correlation if isinstance(correlation, str) else ""
    return Cause(event.position if position is None else position, event.event_id, found)


def metadata_of(event: RecordedEvent) -> dict[str, Any]:
    """The metadata of an event; empty if they are no JSON object."""
    return json_object(event.metadata)


def json_object(data: bytes) -> dict[str, Any]:
    r"""The JSON object in `data`; empty if there is none.

    >>> json_object(b'{"a": 1}'), json_object(b"[1]"), json_object(b"\xff")
    ({'a': 1}, {}, {})
    """
    if not data:
        return {}
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def link(stream: str, target: str, revision: int, extra: Extra = NO_EXTRA) -> Emitted:
    """A link in `stream` to an event.

    >>> link("$ce-a", "a-1", 3).data
    b'3@a-1'
    """
    return Emitted(stream, LINK_TYPE, f"{revision}@{target}".encode(), extra=extra)


def new_event(definition: Definition, emitted: Emitted, cause: Cause, ordinal: int) -> NewEvent:
    """The `ordinal`-th event that a projection emits for `cause`.

    Its id follows from the projection, its epoch, the cause's position and the ordinal.
    """
    identity = named_id(
        f"projection/{definition.number}/{definition.epoch}/{cause.position}/{ordinal}"
        f"/{definition.name}/{emitted.stream}"
    )
    metadata = msgspec.json.encode(_metadata(definition, cause, emitted.extra))
    return NewEvent(identity, emitted.type, emitted.data, metadata, emitted.json)


def gathered(events: Iterable[tuple[str, NewEvent]]) -> list[Append]:
    """One append for each stream, its events in the order in which they come."""
    streams: dict[str, list[NewEvent]] = {}
    for stream, event in events:
        streams.setdefault(stream, []).append(event)
    return [Append(stream, Expected.ANY, found) for stream, found in streams.items()]


def position_metadata(definition: Definition, position: int) -> dict[str, Any]:
    """The metadata that tell who writes, and how far in the log it has come."""
    return {"$v": definition.tag, "$c": position, "$p": position}


def _metadata(definition: Definition, cause: Cause, extra: Extra) -> dict[str, Any]:
    metadata = position_metadata(definition, cause.position)
    metadata.update((key, value) for key, value in extra.items() if key != "$causedBy")
    metadata["$causedBy"] = id_text(cause.event_id)
    if cause.correlation:
        metadata.setdefault(CORRELATION, cause.correlation)
    return metadata
