"""Events as they enter and leave a store, and the envelope they are exported in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from runtime.errors import MetadataInvalid
from runtime.events.ids import id_text
from runtime.events.metadata import read_metadata


class NewEvent(NamedTuple):
    """An event to append: id (16 bytes), type, and the very bytes of data and metadata.

    `json` says that the data is declared to be JSON; nobody checks that it is.
    """

    event_id: bytes
    type: str
    data: bytes
    metadata: bytes
    json: bool = True


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event as a store returns it.

    `position` is its place in the whole log (growing, with gaps), `revision` its number
    in `stream` (from 0, without gaps but those of a scavenge), `recorded_at` when the store
    took it (ns; the only field that is not signed, beside `position`).
    """

    position: int
    stream: str
    revision: int
    event_id: bytes
    type: str
    data: bytes
    metadata: bytes
    recorded_at: int
    json: bool = True


@dataclass(frozen=True, slots=True)
class Scavenged:
    """What is kept of an event that was removed for good: its place, its id and its digest.

    `digest` (hex) is the one that the next event of a chain names; "" for an event that was
    not in the signed form.
    """

    position: int
    stream: str
    revision: int
    event_id: bytes
    digest: str


Entry = RecordedEvent | Scavenged
"""A place in the log: its event, or what is kept of it."""


def envelope(event: RecordedEvent) -> dict[str, Any]:
    """The exported form: eventId, eventType, streamId, eventNumber, timestamp, metadata, data.

    `metadata` names causationId, correlationId, agentId and signature, followed by the
    other signed fields. Raises `MetadataInvalid` if metadata or data cannot be read.
    """
    fields: Mapping[str, Any] = read_metadata(event.metadata)
    known = {
        "causationId": fields.get("$causationId"),
        "correlationId": fields.get("$correlationId"),
        "agentId": fields.get("agentId"),
        "signature": fields.get("signature"),
    }
    rest = {
        name: value
        for name, value in fields.items()
        if name not in known and name not in {"$causationId", "$correlationId", "timestamp"}
    }
    return {
        "eventId": id_text(event.event_id),
        "eventType": event.type,
        "streamId": event.stream,
        "eventNumber": event.revision,
        "timestamp": fields.get("timestamp"),
        "metadata": known | rest,
        "data": _read_data(event.data),
    }


def _read_data(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MetadataInvalid(f"its data is not JSON: {error}") from None
