"""Event ids: functions of their causes, so that deciding again gives the same id.

All ids are version-5 UUIDs (RFC 9562, section 5.5) kept as 16 bytes; `id_text`
gives the text form. Nothing here is random.
"""

from __future__ import annotations

from hashlib import sha1
from uuid import UUID

NAMESPACE = UUID("6c756365-6e74-5e76-a56e-7473206f6e6c").bytes
"""The name space of every Lucent id."""

_VERSION = [bytes([byte & 0x0F | 0x50]) for byte in range(256)]
_VARIANT = [bytes([byte & 0x3F | 0x80]) for byte in range(256)]


def named_id(name: str) -> bytes:
    """The 16 bytes of UUIDv5(NAMESPACE, name).

    >>> id_text(named_id("run/demo"))
    'e62da426-b543-511f-9d14-241085e13960'
    """
    digest = sha1(NAMESPACE + name.encode(), usedforsecurity=False).digest()
    return digest[:6] + _VERSION[digest[6]] + digest[7:8] + _VARIANT[digest[8]] + digest[9:16]


def observation_id(feed: str, row: int) -> bytes:
    """The id of row `row` (counted from 0 in its file) of the feed named `feed`."""
    return named_id(f"observation/{feed}/{row}")


def decision_id(agent: str, cause: str, ordinal: int) -> bytes:
    """The id of the `ordinal`-th decision that `agent` took on the event `cause` (id text)."""
    return named_id(f"decision/{agent}/{cause}/{ordinal}")


def id_text(event_id: bytes) -> str:
    """The text form (8-4-4-4-12 lower-case hex digits) of a 16-byte id."""
    h = event_id.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def parse_id(text: str) -> bytes:
    """The 16 bytes of an id in text form; `ValueError` if it is not one."""
    return UUID(text).bytes
