"""What an append does to its stream: the expected revision and idempotence. Pure.

The rules are KurrentDB's. An exact revision (or `NO_STREAM`, revision -1) below the
stream's own is checked event by event against what stands there; `ANY` and `EXISTS`
look the event ids up in the stream.
"""

from __future__ import annotations

from typing import NoReturn, Protocol

from runtime.errors import WrongExpectedVersion
from runtime.store.port import Append, Expected


class History(Protocol):
    """The events stored so far, as far as a judgement asks for them."""

    def ids(self, stream: str, start: int, count: int) -> list[bytes]:
        """The event ids of `stream` from revision `start` (0 or more) on, `count` at the most."""

    def revision_of(self, stream: str, event_id: bytes) -> int | None:
        """The last revision at which that id stands in `stream`, if any."""


def judge(append: Append, head: int, history: History) -> int | None:
    """Whether to store `append` on a stream whose last revision is `head` (-1: none).

    Answers None when its events are to be stored after `head`, or the revision of its
    last event when all of them are stored already. Raises `WrongExpectedVersion`
    otherwise.
    """
    expected = append.expected
    if expected is Expected.EXISTS and head < 0:
        _refuse(append, head)
    if expected is Expected.EXISTS or expected is Expected.ANY:
        return _known(append, head, history)
    revision = -1 if expected is Expected.NO_STREAM else expected
    if revision == head:
        return None
    if not -1 <= revision < head:
        _refuse(append, head)
    return _stored(append, revision, head, history)


def _known(append: Append, head: int, history: History) -> int | None:
    revision: int | None = None
    for ordinal, event in enumerate(append.events):
        revision = history.revision_of(append.stream, event.event_id)
        if revision is None and ordinal == 0:
            return None
        if revision is None:
            _refuse(append, head, ordinal)
    return revision


def _stored(append: Append, revision: int, head: int, history: History) -> int:
    stored = history.ids(append.stream, revision + 1, len(append.events))
    same = 0
    for event, event_id in zip(append.events, stored, strict=False):
        if event.event_id != event_id:
            break
        same += 1
    if same == 0 or same < len(append.events):
        _refuse(append, head, same)
    return revision + same


def _refuse(append: Append, head: int, same: int = 0) -> NoReturn:
    """Raise `WrongExpectedVersion`; `same` events of the append are stored already."""
    expected = append.expected
    wanted = expected.value if isinstance(expected, Expected) else f"revision {expected}"
    actual = f"is at revision {head}" if head >= 0 else "does not exist"
    partly = f"; {same} of the {len(append.events)} events are stored already" if same else ""
    raise WrongExpectedVersion(
        f"stream {append.stream!r} {actual}, but the append expects {wanted}{partly}:"
        " read the stream's revision and decide again"
    )
