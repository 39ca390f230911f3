"""The log of a simulated run: in memory, judged as every event store judges, with faults."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from copy import deepcopy
from dataclasses import dataclass, field

from runtime.engine.results import Sealed
from runtime.errors import Fenced, StoreFull
from runtime.events import NewEvent, RecordedEvent, StrategyUpgraded, run_stream
from runtime.store import Fence, Head, Snapshot, Write, judge


@dataclass(slots=True)
class SimulatedStore:
    """Keeps events, checkpoints, snapshots and the last epoch.

    So many next writes fail as `failing` says; so many as `ambiguous` says are stored, and
    fail nevertheless. `cured`: the strategy can decide on what was poison to it.
    """

    streams: dict[str, list[NewEvent]] = field(default_factory=dict)
    checkpoints: dict[str, str] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    epoch: int = 0
    size: int = 0
    failing: int = 0
    ambiguous: int = 0
    refused: int = 0
    cured: bool = False

    def claim(self, name: str) -> Fence:
        """The next epoch."""
        self.epoch += 1
        return Fence(name, self.epoch)

    def revision(self, stream: str) -> int:
        """The last revision of `stream`, -1 if it has none."""
        return len(self.streams.get(stream, ())) - 1

    def event(self, stream: str, revision: int) -> RecordedEvent:
        """The event at that revision."""
        return Sealed(stream, revision, self.streams[stream][revision]).recorded()

    def heads(self, prefix: str = "") -> Iterator[RecordedEvent]:
        """The last event of each stream that begins with `prefix`."""
        for stream in sorted(self.streams):
            if stream.startswith(prefix):
                yield self.event(stream, self.revision(stream))

    def read_stream(
        self,
        stream: str,
        start: int | None = None,
        *,
        backwards: bool = False,
        limit: int | None = None,
    ) -> Iterator[RecordedEvent]:
        """The events of `stream` from revision `start` on; none if it was never written."""
        last = self.revision(stream)
        if backwards:
            revisions = range(last if start is None else min(start, last), -1, -1)
        else:
            revisions = range(start or 0, last + 1)
        for revision in revisions[:limit]:
            yield self.event(stream, revision)

    def editions(self, run: str) -> dict[str, list[int]]:
        """By stage, from which position on each further edition of its strategy decides."""
        found: dict[str, list[int]] = {}
        for event in self.streams.get(run_stream(run), ()):
            upgraded = StrategyUpgraded.model_validate_json(event.data)
            found.setdefault(upgraded.agent, []).append(upgraded.since)
        return found

    def reached(self, stage: str) -> int:
        """Behind which position a stage has decided on nothing yet."""
        prefix = f"agent-{stage}/"
        found = [int(head.metadata) for head in self.heads(prefix)]
        return max(found, default=-1) + 1

    def ids(self, stream: str, start: int, count: int) -> list[bytes]:
        """The event ids of `stream` from revision `start` on."""
        return [event.event_id for event in self.streams.get(stream, ())[start : start + count]]

    def revision_of(self, stream: str, event_id: bytes) -> int | None:
        """The revision at which that id stands in `stream`."""
        found = [n for n, e in enumerate(self.streams.get(stream, ())) if e.event_id == event_id]
        return found[-1] if found else None

    def parts(self, name: str, groups: Collection[int]) -> dict[int, bytes]:
        """The parts of a snapshot."""
        parts = self.snapshots[name].parts
        return {group: parts[group] for group in groups if group in parts}

    def write(self, write: Write) -> None:
        """Store all of it or nothing; raises `Fenced`, `StoreFull`, `WrongExpectedVersion`."""
        if write.fence is not None and write.fence.epoch != self.epoch:
            self.refused += 1
            raise Fenced("the run was taken over")
        if self.failing:
            self.failing -= 1
            raise StoreFull("the disk is full")
        for append in write.appends:
            if judge(append, Head(self.revision(append.stream)), self) is None:
                self.streams.setdefault(append.stream, []).extend(append.events)
                self.size += len(append.events)
        for checkpoint in write.checkpoints:
            self.checkpoints[checkpoint.name] = checkpoint.cursor
        for taken in write.snapshots:
            before = self.snapshots.get(taken.name)
            parts = {} if before is None or taken.whole else before.parts
            self.snapshots[taken.name] = Snapshot(
                taken.name, taken.cursor, parts | deepcopy(taken.parts)
            )
        if self.ambiguous:
            self.ambiguous -= 1
            raise StoreFull("it is not known whether the write was stored")
