"""An entry of the log as a line of NDJSON. Pure.

The fields are those of an exported envelope: eventId, eventType, streamId, eventNumber,
timestamp (of the metadata), metadata, data; then position, recordedAt (RFC 3339, ns) and
contentType. Metadata and data that are JSON of one line stand there byte for byte as they
are stored; others in base64, as metadataBase64 and dataBase64. What is kept of a removed
event is a line of its own, which begins with its digest: scavenged, eventId, streamId,
eventNumber, position.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Annotated, Literal

import msgspec

from runtime.errors import MetadataInvalid
from runtime.events import (
    Entry,
    RecordedEvent,
    Scavenged,
    id_text,
    parse_id,
    parse_time,
    read_metadata,
    time_text,
)

JSON, BYTES = "application/json", "application/octet-stream"
"""The content types of events that are declared JSON, and of all others (KurrentDB's)."""

SHALLOW = 512
"""So many brackets can be in JSON before it is looked at how deep it is."""

_SCAVENGED = b'{"scavenged":'
_Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Digest = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")]


class _Event(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    event_id: str
    event_type: _Text
    stream_id: _Text
    event_number: _Number
    timestamp: str | None
    position: _Number
    recorded_at: str
    content_type: Literal["application/json", "application/octet-stream"]
    metadata: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    metadata_base64: str | msgspec.UnsetType = msgspec.UNSET
    data_base64: str | msgspec.UnsetType = msgspec.UNSET


class _Removed(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    scavenged: _Digest
    event_id: str
    stream_id: _Text
    event_number: _Number
    position: _Number


_encode = msgspec.json.encode
_event = msgspec.json.Decoder(_Event).decode
_removed = msgspec.json.Decoder(_Removed).decode


def encode_line(entry: Entry) -> bytes:
    r"""The entry as a line, without its end.

    >>> encode_line(Scavenged(7, "a-1", 3, bytes(16), ""))[:66]
    b'{"scavenged":"","eventId":"00000000-0000-0000-0000-000000000000","'
    """
    if isinstance(entry, Scavenged):
        place = entry.event_id, entry.stream, entry.revision, entry.position
        return _encode(_Removed(entry.digest, id_text(place[0]), *place[1:]))
    return b'{"eventId":"%b","eventType":%b,"streamId":%b,"eventNumber":%d,"timestamp":%b,' % (
        id_text(entry.event_id).encode(),
        _encode(entry.type),
        _encode(entry.stream),
        entry.revision,
        _encode(_timestamp(entry.metadata)),
    ) + b'%b,%b,"position":%d,"recordedAt":"%b","contentType":"%b"}' % (
        _field(b"metadata", entry.metadata),
        _field(b"data", entry.data),
        entry.position,
        time_text(entry.recorded_at).encode(),
        (JSON if entry.json else BYTES).encode(),
    )


def decode_line(line: bytes) -> Entry:
    """The entry that `encode_line` has made a line of; `ValueError` for any other line.

    Blanks between fields, and their order, do not matter.
    """
    try:
        return _decoded(line)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _decoded(line: bytes) -> Entry:
    if line.startswith(_SCAVENGED):
        removed = _removed(line)
        place = removed.position, removed.stream_id, removed.event_number
        return Scavenged(*place, parse_id(removed.event_id), removed.scavenged)
    fields = _event(line)
    metadata = _bytes("metadata", fields.metadata, fields.metadata_base64)
    if fields.timestamp != _timestamp(metadata):
        raise ValueError("its timestamp is not the one in its metadata")
    return RecordedEvent(
        fields.position,
        fields.stream_id,
        fields.event_number,
        parse_id(fields.event_id),
        fields.event_type,
        _bytes("data", fields.data, fields.data_base64),
        metadata,
        _time(fields.recorded_at),
        fields.content_type == JSON,
    )


def _field(name: bytes, value: bytes) -> bytes:
    if _embeds(value):
        return b'"%b":%b' % (name, value)
    return b'"%bBase64":"%b"' % (name, b64encode(value))


def _embeds(value: bytes) -> bool:
    """Whether a reader of JSON gives `value` back byte for byte where it stands in a line."""
    if not value or b"\n" in value or b"\r" in value or value.strip() != value:
        return False
    if value.count(b"[") + value.count(b"{") > SHALLOW:
        value = b"[" * SHALLOW + value + b"]" * SHALLOW
    try:
        msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _bytes(name: str, raw: msgspec.Raw | msgspec.UnsetType, text: str | msgspec.UnsetType) -> bytes:
    if isinstance(raw, msgspec.Raw) and isinstance(text, msgspec.UnsetType):
        return bytes(raw)
    if isinstance(text, str) and isinstance(raw, msgspec.UnsetType):
        return b64decode(text, validate=True)
    raise ValueError(f"it must have either {name} or {name}Base64")


def _timestamp(metadata: bytes) -> str | None:
    try:
        found = read_metadata(metadata).get("timestamp")
    except MetadataInvalid:
        return None
    return found if isinstance(found, str) else None


def _time(text: str) -> int:
    time = parse_time(text)
    if not -(2**63) <= time < 2**63:
        raise ValueError(f"no time that can be stored: {text!r}")
    return time
