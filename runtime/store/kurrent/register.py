"""Claims of names, and writes that are put on record before they are carried out.

KurrentDB has no transaction over several streams. So a write goes as one record to the
stream of its fence, where it fails if a later claim stands; then its appends follow, each
at an exact revision with fixed event ids. Whoever finds a record as the last event there
carries it out again, which changes nothing where it was carried out before: a write is
stored wholly, once it is on record, or not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import RLock
from uuid import uuid4

from runtime.errors import AppendRefused, StoreError, WrongExpectedVersion
from runtime.events import NewEvent, RecordedEvent
from runtime.store.fence import check_epoch
from runtime.store.kurrent import books
from runtime.store.kurrent.filtering import is_own
from runtime.store.kurrent.line import Line
from runtime.store.port import Append, Appended, Fence


@dataclass(frozen=True, slots=True)
class _Stand:
    """The last revision of a fence's stream, and the epoch there."""

    revision: int = -1
    epoch: int = 0


class Register:
    """The claims and the recorded writes of a server's log. Safe to share between threads."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._turn = RLock()
        self._stands: dict[str, _Stand] = {}

    def claim(self, name: str) -> Fence:
        """Raise the epoch of `name` by one; the last write under the old one is stored wholly."""
        stream, claimant = books.fence_stream(name), uuid4().bytes
        with self._turn:
            while True:
                stand = self._looked_up(name)
                event = books.claim_event(stream, stand.revision + 1, stand.epoch + 1, claimant)
                if self._appended([Append(stream, stand.revision, [event])]):
                    self._line.append(books.bounded(stream, stand.revision, books.KEPT))
                    self._stands[name] = _Stand(stand.revision + 1, stand.epoch + 1)
                    return Fence(name, stand.epoch + 1)

    def check(self, fence: Fence, *, anew: bool) -> None:
        """Raise `Fenced` unless `fence` is the last claim of its name, as far as is known.

        A write on record is always checked; `anew` asks the server beforehand too.
        """
        with self._turn:
            stand = None if anew else self._stands.get(fence.name)
            stand = stand or self._looked_up(fence.name)
            self._stands[fence.name] = stand
            check_epoch(fence, stand.epoch or None)

    def carry_out(self, fence: Fence | None, appends: Sequence[Append]) -> list[Appended]:
        """Store `appends`, each at an exact revision, all of them or none.

        Raises `Fenced`; `WrongExpectedVersion` where another process, that heeds no fence,
        wrote to one of the streams meanwhile: the others are stored then.
        """
        name = "" if fence is None else fence.name
        stream = books.fence_stream(name)
        with self._turn:
            stand = self._stands.pop(name, None) or self._looked_up(name)
            self._line.append(books.bounded(stream, stand.revision, books.KEPT))
            while True:
                if fence is not None:
                    check_epoch(fence, stand.epoch or None)
                events = books.write_events(stream, stand.revision + 1, stand.epoch, appends)
                if len(events) > books.KEPT:
                    raise AppendRefused(f"a write of {len(events)} pieces is too large")
                if self._recorded(stream, stand.revision, events):
                    break
                stand = self._looked_up(name)
            appended = self._apply(appends)
            self._stands[name] = _Stand(stand.revision + len(events), stand.epoch)
        return appended

    def _recorded(self, stream: str, revision: int, events: Sequence[NewEvent]) -> bool:
        """Whether the record of a write was taken behind `revision`."""
        for group in books.grouped(events):
            if not self._appended([Append(stream, revision, group)]):
                return False
            revision += len(group)
        return True

    def _looked_up(self, name: str) -> _Stand:
        """Where the claims of `name` stand; a write found last is carried out first."""
        stream = books.fence_stream(name)
        self._stands.pop(name, None)
        last = -1
        for event in self._backwards(stream):
            last = max(last, event.revision)
            if event.type == books.PIECE:
                continue
            begun = books.read_begun(event)
            if event.type == books.BEGUN and event.revision == last:
                self._finish(stream, last, begun.pieces)
            return _Stand(last, begun.epoch)
        return _Stand(last)

    def _finish(self, stream: str, revision: int, pieces: int) -> None:
        record = self._line.page(stream, revision - pieces, pieces, backwards=False)
        self._apply(books.read_write(record))

    def _apply(self, appends: Sequence[Append]) -> list[Appended]:
        """Store all of `appends`, which may be stored already, each stream's in their order."""
        answers: dict[int, Appended | StoreError] = {}
        for turn in _turns(appends):
            outcomes = self._line.append([part for _, part in turn])
            for (number, _), outcome in zip(turn, outcomes, strict=True):
                if not isinstance(answers.get(number), StoreError):
                    answers[number] = outcome
        return [_settled(append, answers[number]) for number, append in enumerate(appends)]

    def _appended(self, appends: Sequence[Append]) -> bool:
        """Whether all were taken; raises what is not a `WrongExpectedVersion`."""
        outcomes = self._line.append(appends)
        for outcome in outcomes:
            if isinstance(outcome, StoreError) and not isinstance(outcome, WrongExpectedVersion):
                raise outcome
        return not any(isinstance(outcome, StoreError) for outcome in outcomes)

    def _backwards(self, stream: str) -> Iterator[RecordedEvent]:
        """The events of a stream from its last one; few of them are ever asked for."""
        start: int | None = None
        while start is None or start >= 0:
            page = self._line.page(stream, start, 1, backwards=True)
            if not page:
                return
            yield from page
            start = page[-1].revision - 1


def _parts(append: Append) -> list[Append]:
    """An append as several that a server takes, one behind the other."""
    revision = append.expected
    assert isinstance(revision, int)
    parts = []
    for group in books.grouped(append.events) or [[]]:
        parts.append(Append(append.stream, revision, group))
        revision += len(group)
    return parts


def _turns(appends: Sequence[Append]) -> list[list[tuple[int, Append]]]:
    """The parts of numbered appends by turns, in each of which a stream occurs but once."""
    turns: list[list[tuple[int, Append]]] = []
    taken: Counter[str] = Counter()
    for number, append in enumerate(appends):
        for part in _parts(append):
            if taken[part.stream] == len(turns):
                turns.append([])
            turns[taken[part.stream]].append((number, part))
            taken[part.stream] += 1
    return turns


def _settled(append: Append, answer: Appended | StoreError) -> Appended:
    """The answer to an append; one of the books may be stored already, and no longer shown."""
    if isinstance(answer, Appended):
        return answer
    if isinstance(answer, WrongExpectedVersion) and not is_own(append.stream):
        return Appended(answer.actual, 0)
    raise answer
