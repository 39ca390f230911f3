"""The metadata of an event: one JSON object whose last field is the signature.

The signed part is the stored bytes up to that field, so that a verifier cuts and
never re-encodes. KurrentDB's own names are used for the correlation fields, so that
its by-correlation projection works.

The signature is the base64 (RFC 4648, section 4) of 64 bytes, an Ed25519 signature of this
event alone, or of more: the signature of a batch, then 8 bytes for the event's place in it,
then an audit path of 32 bytes a node (`runtime/identity/batch.py` has the exact form).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any, NamedTuple

import msgspec

from runtime.errors import MetadataInvalid

SIGNATURE_BYTES = 64
PLACE_BYTES = 8
NODE_BYTES = 32
_HEAD = b',"signature":"'
_TAIL = b'"}'

GENESIS = "0" * 64
"""What `previous` says in the first event of a stream."""


class Cause(NamedTuple):
    """What an event came from.

    `event_id` is the causing event's id (text), `source` the feed it was observed in or
    the stream it stands in, `row` its row in that feed or its number in that stream,
    `position` the place of the first observation in the run's merged input order, `time`
    the event time (ns), which becomes the time of what it causes, and `known_at` when it
    could be known (ns), which is when what it causes can be known.
    """

    event_id: str
    source: str
    row: int
    position: int
    time: int
    known_at: int


def unsigned_metadata(correlation: str, agent_id: str, when: str, cause: str, chain: str) -> bytes:
    """The part of the metadata that is signed.

    `correlation` is the run's id, `agent_id` the author's did:key, `when` the RFC 3339
    event time, `cause` what `cause_fields` gives, `chain` the hex SHA-256 digest of the
    previous event of the stream.
    """
    return (
        f'{{{cause},"$correlationId":"{correlation}","agentId":"{agent_id}"'
        f',"timestamp":"{when}","previous":"{chain}"'
    ).encode()


def cause_fields(cause: Cause) -> str:
    """The JSON fields that say what caused an event (feed and stream names need no escapes).

    >>> cause_fields(Cause("0f", "aave", 7, 9, 0, 60))
    '"$causationId":"0f","source":"aave","row":"7","position":"9","knownAt":"60"'
    """
    return (
        f'"$causationId":"{cause.event_id}","source":"{cause.source}"'
        f',"row":"{cause.row}","position":"{cause.position}","knownAt":"{cause.known_at}"'
    )


def signed_metadata(unsigned: bytes, signature: bytes) -> bytes:
    """The stored form: the signed part, then the signature, alone or of a batch, in base64."""
    return b'%b,"signature":"%b"}' % (unsigned, b64encode(signature))


def split_metadata(metadata: bytes) -> tuple[bytes, bytes]:
    """The signed part and the signature, alone or of a batch, of stored metadata.

    The cut is at the last `,"signature":"`: base64 has no quote, so no field before it can
    move it. Raises `MetadataInvalid` unless the signature is the last field, in the one base64
    form that encodes it, and of a length that a signature can have.
    """
    at = metadata.rfind(_HEAD)
    text = metadata[at + len(_HEAD) : -len(_TAIL)]
    if at < 0 or not text or not metadata.endswith(_TAIL):
        raise MetadataInvalid("its last field is not a signature in base64")
    try:
        signature = b64decode(text, validate=True)
    except ValueError as error:
        raise MetadataInvalid(f"its signature is not base64: {error}") from None
    if b64encode(signature) != text:
        raise MetadataInvalid("its signature is not the one base64 form of its bytes")
    nodes, rest = divmod(len(signature) - SIGNATURE_BYTES - PLACE_BYTES, NODE_BYTES)
    if len(signature) != SIGNATURE_BYTES and (nodes < 1 or rest):
        raise MetadataInvalid(
            f"its signature has {len(signature)} bytes: it must have 64, or for one of a batch"
            " 72 and 32 for each node of its audit path"
        )
    return metadata[:at], signature


def read_metadata(metadata: bytes) -> dict[str, Any]:
    """The fields of stored metadata; `MetadataInvalid` if it is not a JSON object."""
    try:
        return msgspec.json.decode(metadata, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MetadataInvalid(f"it is not a JSON object: {error}") from None
