"""What an append does to its stream: the expected revision and idempotence. Pure.

The rules are KurrentDB's. An exact revision (or `NO_STREAM`, revision -1) below the
stream's own is checked event by event against what stands there; `ANY` and `EXISTS`
look the event ids up in the stream.
"""

from __future__ import annotations

from typing import NamedTuple, NoReturn, Protocol

from runtime.errors import StreamDeleted, WrongExpectedVersion
from runtime.store.port import Append, Expected

TOMBSTONE = 2**63 - 1
"""The revision of the event that ends a stream for good, and the `$tb` of a deleted stream."""


class Head(NamedTuple):
    """Where a stream stands: its last revision, and whether it is deleted or has metadata."""

    revision: int = -1
    deleted: bool = False
    described: bool = False


class History(Protocol):
    """The events stored so far, as far as a judgement asks for them."""

    def ids(self, stream: str, start: int, count: int) -> list[bytes]:
        """The event ids of `stream` from revision `start` (0 or more) on, `count` at the most."""

    def revision_of(self, stream: str, event_id: bytes) -> int | None:
        """The last revision at which that id stands in `stream`, if any."""


def judge(append: Append, head: Head, history: History) -> int | None:
    """Whether to store `append` on a stream that stands at `head`.

    Answers None when its events are to be stored after the last one, or the revision of
    its last event when all of them are stored already. Raises `WrongExpectedVersion`
    otherwise, or `StreamDeleted`: an append that expects a deleted stream to exist, or any
    to a stream with a tombstone.
    """
    expected = append.expected
    exists = expected is Expected.EXISTS
    if head.revision == TOMBSTONE or (exists and head.deleted):
        raise StreamDeleted(f"stream {append.stream!r} is deleted: append to another stream")
    if exists and head.revision < 0 and not head.described:
        _refuse(append, head.revision)
    if exists or expected is Expected.ANY:
        return _known(append, head.revision, history)
    assert expected is Expected.NO_STREAM or isinstance(expected, int)
    revision = -1 if expected is Expected.NO_STREAM else expected
    if revision == head.revision:
        return None
    if not -1 <= revision < head.revision:
        _refuse(append, head.revision)
    same = _stored(append, revision, history)
    if append.events and same == 0 and expected is Expected.NO_STREAM and head.deleted:
        return None
    if same == 0 or same < len(append.events):
        _refuse(append, head.revision, same)
    return revision + same


def _known(append: Append, head: int, history: History) -> int | None:
    revision: int | None = None
    for ordinal, event in enumerate(append.events):
        revision = history.revision_of(append.stream, event.event_id)
        if revision is None and ordinal == 0:
            return None
        if revision is None:
            _refuse(append, head, ordinal)
    return revision


def _stored(append: Append, revision: int, history: History) -> int:
    """How many of the events stand behind `revision` already, up to the first that does not."""
    stored = history.ids(append.stream, revision + 1, len(append.events))
    same = 0
    for event, event_id in zip(append.events, stored, strict=False):
        if event.event_id != event_id:
            break
        same += 1
    return same


def refusal(append: Append, head: int, same: int = 0) -> WrongExpectedVersion:
    """Why a stream at revision `head` refuses; `same` events of the append are stored already."""
    expected = append.expected
    wanted = expected.value if isinstance(expected, Expected) else f"revision {expected}"
    actual = f"is at revision {head}" if head >= 0 else "does not exist"
    partly = f"; {same} of the {len(append.events)} events are stored already" if same else ""
    error = WrongExpectedVersion(
        f"stream {append.stream!r} {actual}, but the append expects {wanted}{partly}:"
        " read the stream's revision and decide again"
    )
    error.actual = head
    return error


def _refuse(append: Append, head: int, same: int = 0) -> NoReturn:
    raise refusal(append, head, same)
