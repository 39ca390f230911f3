"""What a stream's metadata says of how much of it is to be seen, and how it is deleted. Pure.

Metadata are the last event of the stream `$$<name>`, a JSON object (KurrentDB's form).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from runtime.store.expectation import TOMBSTONE

METADATA_TYPE, TOMBSTONE_TYPE = "$metadata", "$streamDeleted"
BOOKS = "lucent-"
"""Begins the names of the streams in which runs on a server keep their books, unsigned."""
ALL = "$all"
"""The name that stands for the whole log."""

SETTINGS = "$settings"
"""The stream whose last event says what holds for streams whose metadata say nothing."""

_Revision = Annotated[int, msgspec.Meta(ge=0, le=TOMBSTONE)]
_Count = Annotated[int, msgspec.Meta(ge=1, le=TOMBSTONE)]
_Seconds = Annotated[int, msgspec.Meta(ge=1, le=2**63 // 10**9)]


class _Limits(msgspec.Struct):
    truncate_before: _Revision | None = msgspec.field(default=None, name="$tb")
    max_count: _Count | None = msgspec.field(default=None, name="$maxCount")
    max_age: _Seconds | None = msgspec.field(default=None, name="$maxAge")


@dataclass(frozen=True, slots=True)
class Policy:
    """Which events of a stream are to be seen: from a revision on, the last so many, the young.

    `truncate_before` is a revision, `max_count` in events, `max_age` in seconds. A stream
    that is deleted, and may be appended to again, has all its events truncated.
    """

    truncate_before: int = 0
    max_count: int | None = None
    max_age: int | None = None

    @property
    def deleted(self) -> bool:
        """Whether the stream is deleted, but not for good."""
        return self.truncate_before == TOMBSTONE

    def first(self, last: int) -> int:
        """The first revision to be seen of a stream whose last one is `last`.

        >>> Policy(truncate_before=2, max_count=3).first(9)
        7
        """
        kept = 0 if self.max_count is None else last - self.max_count + 1
        return max(self.truncate_before, kept, 0)


def metastream(stream: str) -> str:
    """The name of the stream that holds the metadata of `stream`."""
    return f"$${stream}"


def described_by(stream: str) -> str | None:
    """The stream whose metadata `stream` holds, if it is a metadata stream.

    >>> described_by("$$agent-7"), described_by("$agent")
    ('agent-7', None)
    """
    return stream[2:] if stream.startswith("$$") else None


def read_policy(data: bytes) -> Policy:
    """The policy that metadata set; what cannot be read, or is out of range, sets none.

    >>> read_policy(b'{"$maxCount": 5, "owner": "desk"}')
    Policy(truncate_before=0, max_count=5, max_age=None)
    >>> read_policy(b'{"$maxCount": 0}') == read_policy(b'[') == Policy()
    True
    """
    try:
        limits = msgspec.json.decode(data, type=_Limits)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Policy()
    return Policy(limits.truncate_before or 0, limits.max_count, limits.max_age)


def deleted_metadata() -> bytes:
    """The metadata of a stream that is deleted, but not for good."""
    return msgspec.json.encode({"$tb": TOMBSTONE})


def revived_metadata(data: bytes, revision: int) -> bytes:
    """`data` changed so that events are seen from `revision` on."""
    return metadata_with(data, "$tb", revision)


def metadata_with(data: bytes, key: str, value: int) -> bytes:
    """`data` with one key set anew; what cannot be read counts for nothing.

    >>> metadata_with(b'{"owner":"desk"}', "$maxCount", 2)
    b'{"owner":"desk","$maxCount":2}'
    """
    return msgspec.json.encode({**_fields(data), key: value})


def _fields(data: bytes) -> dict[str, object]:
    try:
        return msgspec.json.decode(data, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
