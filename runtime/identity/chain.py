"""What is signed, and how an event is chained to the one before it in its stream.

The signed message is a pre-authentication encoding in the manner of DSSE (secure-systems-lab
DSSE v1, `protocol.md`): the word `LucentEventV1`, then each field as its length in decimal
and its bytes, all separated by one space. Signed are the event's id, type, stream, number,
the metadata up to the signature, and the data: the very bytes that are stored, so that
nothing has to be encoded again to check them. The metadata holds the SHA-256 digest of the
previous event's signed message, which makes the stream a chain.

A key signs this message, or for several events at once the root of a tree over their
messages (`batch`). The chain is over messages, and the same either way.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from runtime.events import NewEvent, RecordedEvent, id_text, signed_metadata, split_metadata


def signed_message(event: NewEvent, unsigned: bytes, stream: bytes, revision: int) -> bytes:
    """The bytes an author signs: `event`'s id, type and data, its place, its unsigned metadata.

    `event.metadata` is not looked at.
    """
    kind = event.type.encode()
    number = b"%d" % revision
    return b"LucentEventV1 36 %b %d %b %d %b %d %b %d %b %d %b" % (
        id_text(event.event_id).encode(),
        len(kind),
        kind,
        len(stream),
        stream,
        len(number),
        number,
        len(unsigned),
        unsigned,
        len(event.data),
        event.data,
    )


class Draft(NamedTuple):
    """An event that waits for its signature: its place, its unsigned metadata, its message."""

    stream: str
    revision: int
    event: NewEvent
    message: bytes


def draft(stream: str, revision: int, event: NewEvent) -> Draft:
    """Draft `event`, whose metadata is still unsigned, for its place in `stream`."""
    return Draft(
        stream,
        revision,
        event,
        signed_message(event, event.metadata, stream.encode(), revision),
    )


def seal(unsigned: Draft, sign: Callable[[bytes], bytes]) -> NewEvent:
    """The event with its own signature at the end of its metadata, ready to be stored."""
    return sealed(unsigned, sign(unsigned.message))


def sealed(unsigned: Draft, signature: bytes) -> NewEvent:
    """The event with `signature`, alone or of a batch, at the end of its metadata."""
    event = unsigned.event
    metadata = signed_metadata(event.metadata, signature)
    return NewEvent(event.event_id, event.type, event.data, metadata)


def recorded_message(event: RecordedEvent) -> tuple[bytes, bytes]:
    """The message of a stored event, and its signature: alone or of a batch, see `claim`.

    Raises `MetadataInvalid` if the metadata does not end in a signature.
    """
    unsigned, signature = split_metadata(event.metadata)
    new = NewEvent(event.event_id, event.type, event.data, event.metadata)
    message = signed_message(new, unsigned, event.stream.encode(), event.revision)
    return message, signature


def recorded_digest(event: RecordedEvent) -> str:
    """The digest of a stored event that the next one of its stream must name."""
    return sha256(recorded_message(event)[0]).hexdigest()
