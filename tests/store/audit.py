"""What must be found in a store after its writer was killed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from runtime.errors import StreamNotFound
from runtime.events import NewEvent, RecordedEvent
from runtime.store import Appended, SqliteStore, Write
from tests.store.crashing import THREADS, Life, Note, Step

_DELETED = b'{"$tb":9223372036854775807}'


def assert_whole(events: Iterable[RecordedEvent]) -> None:
    """No batch stands there in part; the data of each event say how many its batch has."""
    found: dict[tuple[bytes, ...], int] = Counter()
    for event in events:
        if event.type == "T":
            label, stream, count = event.data.split(b" ", 3)[:3]
            found[label, stream, count] += 1
    torn = [batch for batch, count in found.items() if count != int(batch[2])]
    assert not torn


@dataclass(slots=True)
class Audit:
    """Checks a store life by life, each time what came since the life before.

    `epochs` are the last ones answered to claims; a claim that was not answered may have
    raised one.
    """

    position: int = 0
    heads: dict[str, int] = field(default_factory=lambda: defaultdict(lambda: -1))
    mortal: dict[str, list[bytes]] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def check(self, store: SqliteStore, life: Life, notes: Sequence[Note]) -> list[RecordedEvent]:
        """Check all that `life` has left, of which `notes` were answered; returns its events."""
        events = list(store.read_all(self.position + 1))
        self._check_order(events)
        found = {event.event_id: event for event in events}
        assert len(found) == len(events)
        for thread in range(THREADS):
            own = {note.number: note for note in notes if note.thread == thread}
            assert sorted(own) == [note.number for note in notes if note.thread == thread]
            self._check_thread(store, Step(life, thread, 0), own, found)
        assert all(event.stream.startswith("$$mortal-") for event in found.values())
        self._check_deletions(store, events)
        return events

    def _check_order(self, events: Sequence[RecordedEvent]) -> None:
        for event in events:
            assert event.position > self.position
            assert event.revision == self.heads[event.stream] + 1
            self.position, self.heads[event.stream] = event.position, event.revision

    def _check_thread(
        self,
        store: SqliteStore,
        first: Step,
        notes: Mapping[int, Note],
        found: dict[bytes, RecordedEvent],
    ) -> None:
        """All that was answered is there, of the step after it all or nothing, no later one.

        What is checked is taken out of `found`.
        """
        written = None
        for step in _steps(first, max(notes, default=-1)):
            note = notes.get(step.number)
            stored = [
                _take_batch(found, stream, events) for stream, events in step.batches().items()
            ]
            assert all(stored) or not any(stored), step
            assert note or step.kind == "delete" or step.number > max(notes, default=-1), step
            if note is not None:
                self._check_note(store, step, note, stored)
            if step.kind == "write" and all(stored):
                written = str(step.number)
        assert store.checkpoint(first.owner) == written
        snapshot = store.snapshot(first.owner)
        assert (None if snapshot is None else snapshot.cursor) == written

    def _check_note(
        self, store: SqliteStore, step: Step, note: Note, stored: Sequence[Appended | None]
    ) -> None:
        ends = [Appended(*end) for end in note.ends]
        if step.kind == "delete":
            (event,) = store.read_all(ends[0].position, limit=1)
            assert (event.stream, event.revision) == (f"$${step.mortal}", ends[0].revision)
            assert event.data == _DELETED
            return
        assert stored == ends, step
        if step.kind == "claim":
            assert note.epoch > self.epochs[step.role]
            self.epochs[step.role] = note.epoch
        if step.kind == "write":
            assert store.write(Write(step.write().appends)) == ends, "answered as before"

    def _check_deletions(self, store: SqliteStore, events: Sequence[RecordedEvent]) -> None:
        """Of a stream that was deleted only what came after that is seen."""
        for event in events:
            if event.stream.startswith("mortal-"):
                self.mortal.setdefault(event.stream, []).append(event.event_id)
            elif event.data == _DELETED:
                self.mortal[event.stream.removeprefix("$$")] = []
        for stream, ids in self.mortal.items():
            if ids:
                assert [event.event_id for event in store.read_stream(stream)] == ids
            else:
                with pytest.raises(StreamNotFound):
                    store.read_stream(stream)


def _steps(first: Step, last: int) -> Iterator[Step]:
    """The steps of a thread up to the `last` that was answered, and the one it was killed in.

    Before that it may have taken steps that were refused: deletions of nothing.
    """
    step = first
    while step.number <= last or step.kind == "delete":
        yield step
        step = step._replace(number=step.number + 1)
    yield step


def _take_batch(
    found: dict[bytes, RecordedEvent], stream: str, events: Sequence[NewEvent]
) -> Appended | None:
    """Where a batch ends that is there as it was written; None if nothing of it is.

    What is there of it is taken out of `found`.
    """
    stored = [found.pop(event.event_id, None) for event in events]
    if stored[0] is None:
        assert not any(stored), "a part of a batch"
        return None
    for ordinal, (event, was) in enumerate(zip(stored, events, strict=True)):
        assert event is not None, "a part of a batch"
        assert (event.stream, event.type, event.data, event.metadata) == (stream, *was[1:4])
        assert event.revision == stored[0].revision + ordinal
        assert event.position == stored[0].position + ordinal
    assert stored[-1] is not None
    return Appended(stored[-1].revision, stored[-1].position)
