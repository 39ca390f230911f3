"""What a write comes to, judged against where its streams stand. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runtime.events import NewEvent
from runtime.store.expectation import Head, History, judge
from runtime.store.port import Append, Snapshot


@dataclass(frozen=True, slots=True)
class Settled:
    """An append of a write: where it ends, and what is to be stored at an exact revision.

    `exact` is None for one that is stored already.
    """

    append: Append
    revision: int
    exact: Append | None


def settle(appends: Sequence[Append], heads: Mapping[str, Head], history: History) -> list[Settled]:
    """Judge each append after those before it.

    Raises `WrongExpectedVersion` or `StreamDeleted` if one of them is refused.
    """
    settled = []
    now = dict(heads)
    fresh = _Fresh(history)
    for append in appends:
        stream, head = append.stream, now[append.stream]
        known = judge(append, head, fresh)
        if known is not None:
            settled.append(Settled(append, known, None))
            continue
        last = head.revision + len(append.events)
        fresh.add(stream, head.revision + 1, append.events)
        settled.append(Settled(append, last, Append(stream, head.revision, append.events)))
        now[stream] = Head(last, deleted=False, described=head.described)
    return settled


def joined(snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    """One snapshot for each name: what several of a name come to, taken in their order."""
    together: dict[str, Snapshot] = {}
    for one in snapshots:
        before = together.get(one.name)
        if before is None or one.whole:
            together[one.name] = one
        else:
            parts = before.parts | one.parts
            together[one.name] = Snapshot(one.name, one.cursor, parts, before.whole)
    return list(together.values())


class _Fresh:
    """The history with what the write itself has added to it."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._added: dict[str, tuple[int, list[bytes]]] = {}

    def add(self, stream: str, first: int, events: Sequence[NewEvent]) -> None:
        _, ids = self._added.setdefault(stream, (first, []))
        ids.extend(event.event_id for event in events)

    def ids(self, stream: str, start: int, count: int) -> list[bytes]:
        first, added = self._added.get(stream, (start + count, []))
        stored = self._history.ids(stream, start, count) if start < first else []
        return [*stored, *added[max(0, start - first) :]][:count]

    def revision_of(self, stream: str, event_id: bytes) -> int | None:
        first, added = self._added.get(stream, (0, []))
        if event_id in added:
            return first + len(added) - 1 - added[::-1].index(event_id)
        return self._history.revision_of(stream, event_id)
