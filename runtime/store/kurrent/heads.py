"""Where streams stand on a server, as a judgement asks for it."""

from __future__ import annotations

from collections.abc import Iterable

from runtime.errors import StoreError, StreamDeleted, WrongExpectedVersion
from runtime.store.expectation import TOMBSTONE, Head
from runtime.store.kurrent.batches import NOWHERE
from runtime.store.kurrent.line import Line
from runtime.store.policy import metastream, read_policy
from runtime.store.port import Append

LOOKED_BACK = 4096
"""Events of a stream that are looked through for the id of one."""

REMEMBERED = 200_000
"""Streams whose heads are remembered at the most."""

_PAGE = 512


class Heads:
    """The `History` and the heads of a server's streams."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def of(self, streams: Iterable[str]) -> dict[str, Head]:
        """The heads of streams, all asked for together. Nothing is written."""
        asked = list(dict.fromkeys(streams))
        named = [*asked, *map(metastream, asked)]
        revisions = dict(zip(named, self._revisions(named), strict=True))
        return {
            stream: Head(
                revisions[stream],
                revisions[stream] != TOMBSTONE
                and revisions[metastream(stream)] >= 0
                and self._is_deleted(stream),
                revisions[metastream(stream)] >= 0,
            )
            for stream in asked
        }

    def ids(self, stream: str, start: int, count: int) -> list[bytes]:
        """The event ids of `stream` from revision `start` on, `count` at the most."""
        page = self._line.page(stream, start, count, backwards=False)
        return [event.event_id for event in page if event.revision >= start]

    def revision_of(self, stream: str, event_id: bytes) -> int | None:
        """The last revision at which that id stands, of the last `LOOKED_BACK` events."""
        start: int | None = None
        for _ in range(LOOKED_BACK // _PAGE):
            page = self._line.page(stream, start, _PAGE, backwards=True)
            for event in page:
                if event.event_id == event_id:
                    return event.revision
            if not page or page[-1].revision == 0:
                return None
            start = page[-1].revision - 1
        return None

    def _revisions(self, streams: list[str]) -> list[int]:
        outcomes = self._line.append([Append(stream, NOWHERE, ()) for stream in streams])
        return [_revision(outcome) for outcome in outcomes]

    def _is_deleted(self, stream: str) -> bool:
        described = self._line.last(metastream(stream))
        return described is not None and described.json and read_policy(described.data).deleted


class KnownHeads(Heads):
    """Heads that are remembered: of streams to which only the holder of a fence writes."""

    def __init__(self, line: Line) -> None:
        super().__init__(line)
        self._known: dict[str, Head] = {}

    def of(self, streams: Iterable[str]) -> dict[str, Head]:
        """The heads of streams; the server is asked for those that are not known."""
        asked = list(streams)
        unknown = [stream for stream in asked if stream not in self._known]
        if unknown:
            self._known |= super().of(unknown)
        return {stream: self._known[stream] for stream in asked}

    def note(self, appends: Iterable[Append]) -> None:
        """Remember where streams stand after `appends`, each at an exact revision."""
        for append in appends:
            assert isinstance(append.expected, int)
            described = append.stream in self._known and self._known[append.stream].described
            revision = append.expected + len(append.events)
            self._known[append.stream] = Head(revision, described=described)
        if len(self._known) > REMEMBERED:
            self.forget()

    def forget(self) -> None:
        """Ask the server again for every stream."""
        self._known.clear()


def _revision(outcome: object) -> int:
    if isinstance(outcome, WrongExpectedVersion):
        return outcome.actual
    if isinstance(outcome, StreamDeleted):
        return TOMBSTONE
    assert isinstance(outcome, StoreError), "the server appended to a stream at a wrong revision"
    raise outcome
