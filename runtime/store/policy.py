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

_LONGEST = 922_337_203_685
"""The longest age in seconds that KurrentDB takes, 29,227 years."""

_FOREVER = 2**63 // 10**9
"""An age in seconds that no event reaches, and that can be counted in nanoseconds."""

_Names = str | list[str] | msgspec.UnsetType
_Int = Annotated[int, msgspec.Meta(ge=-(2**63), le=TOMBSTONE)] | msgspec.UnsetType
_Age = Annotated[int, msgspec.Meta(ge=-_LONGEST, le=_LONGEST)] | msgspec.UnsetType


class _Rights(msgspec.Struct, forbid_unknown_fields=True):
    read: _Names = msgspec.field(default=msgspec.UNSET, name="$r")
    write: _Names = msgspec.field(default=msgspec.UNSET, name="$w")
    delete: _Names = msgspec.field(default=msgspec.UNSET, name="$d")
    read_metadata: _Names = msgspec.field(default=msgspec.UNSET, name="$mr")
    write_metadata: _Names = msgspec.field(default=msgspec.UNSET, name="$mw")


class _Metadata(msgspec.Struct):
    """All keys that mean something: one that is malformed makes the others void."""

    truncate_before: _Int = msgspec.field(default=msgspec.UNSET, name="$tb")
    max_count: _Int = msgspec.field(default=msgspec.UNSET, name="$maxCount")
    max_age: _Age = msgspec.field(default=msgspec.UNSET, name="$maxAge")
    cache_control: _Age = msgspec.field(default=msgspec.UNSET, name="$cacheControl")
    temporary: bool | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="$tmp")
    rights: _Rights | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="$acl")


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
    """The policy that metadata set; those that cannot be read set none.

    A limit below its least value is none, and does not void the others.

    >>> read_policy(b'{"$maxCount": 5, "owner": "desk"}')
    Policy(truncate_before=0, max_count=5, max_age=None)
    >>> read_policy(b'{"$maxCount": 0, "$tb": 3}')
    Policy(truncate_before=3, max_count=None, max_age=None)
    >>> read_policy(b'{"$maxCount": 5, "$tb": null}') == read_policy(b"[") == Policy()
    True
    """
    try:
        found = msgspec.json.decode(data, type=_Metadata)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Policy()
    age = _positive(found.max_age)
    return Policy(
        truncate_before=_positive(found.truncate_before) or 0,
        max_count=_positive(found.max_count),
        max_age=None if age is None else min(age, _FOREVER),
    )


def _positive(number: int | msgspec.UnsetType) -> int | None:
    return number if isinstance(number, int) and number > 0 else None


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
