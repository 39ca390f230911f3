"""The laws, checked on a simulated run while it goes on and at its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from runtime.engine.cursor import read_stage_cursor
from runtime.engine.messages import BatchArrived
from runtime.engine.results import Who
from runtime.engine.simulation.scenario import Scenario
from runtime.engine.simulation.store import SimulatedStore
from runtime.engine.simulation.strategy import expected
from runtime.engine.statistics import StageStats
from runtime.engine.supervisor import NEVER
from runtime.events import NewEvent, TicksConflated, intake_stream
from runtime.identity import run_root
from runtime.store import Checkpoint, Snapshot, Write

RUN = "simulated"


class LawBroken(AssertionError):
    """A simulated run broke a law; the message says which, and how."""


class Laws:
    """Knows what a run must come to, and compares."""

    def __init__(self, plan: Scenario, store: SimulatedStore) -> None:
        self._plan, self._store = plan, store
        self._keys = list(plan.keys)
        self._told = 0
        self._left_out: set[int] = set()
        self._set_aside: dict[str, list[NewEvent]] = {}
        self._reached: dict[tuple[str, str], int] = {}
        self._expect()

    def _expect(self) -> None:
        """Know what is to be decided on what is taken in."""
        self._streams: dict[str, list[NewEvent]] = {}
        self._due: dict[str, list[tuple[int, str, int]]] = {}
        self._editions = self._store.editions(RUN)
        for stream, revision, event in expected(
            tuple(self._keys), self._plan.stages, self._editions
        ):
            self._streams.setdefault(stream, []).append(event)
            stage = stream.partition("-")[2].partition("/")[0]
            due = self._due.setdefault(stage, [])
            due.append((int(event.metadata), stream, revision))
        self._covered = dict.fromkeys(self._due, 0)

    def read(self, batch: BatchArrived) -> None:
        """Law 6: what was read and is not durable follows the limits."""
        if batch.stage != "s0":
            return
        for drop in () if batch.taken is None else batch.taken.dropped:
            self._left_out |= positions_in(drop.ranges)
        durable = self._store.checkpoints.get(f"{RUN}/{batch.stage}")
        done = 0 if durable is None else read_stage_cursor(durable)[0]
        read = range(done, min(batch.end, len(self._keys)))
        unfinished = sum(self._plan.keys[at] >= 0 and at not in self._left_out for at in read)
        if unfinished > self._plan.limits.events:
            raise LawBroken(f"{batch.stage} read to {batch.end} while {done} were durable")

    def wrote(self, write: Write) -> None:
        """Law 3: neither checkpoint nor snapshot is ahead of the events it covers, or goes back."""
        self._read_log()
        places: tuple[Checkpoint | Snapshot, ...] = (*write.checkpoints, *write.snapshots)
        for one in places:
            stage = one.name.rpartition("/")[2]
            position = read_stage_cursor(one.cursor)[0]
            kind = type(one).__name__, stage
            if position < self._reached.get(kind, 0):
                raise LawBroken(f"{kind[0]} of {stage} went back to {position}")
            self._reached[kind] = position
            if not self._holds_before(stage, position):
                raise LawBroken(
                    f"{type(one).__name__} of {stage} at {position} is ahead of the log"
                )

    def _read_log(self) -> None:
        """Nothing is to be decided on what it says was dropped, and else as it says."""
        if self._editions != self._store.editions(RUN):
            self._expect()
        told = self._store.streams.get(intake_stream(RUN, "s0"), [])
        dropped: set[int] = set()
        for event in told[self._told :]:
            if event.type == TicksConflated.__name__:
                dropped |= positions_in(TicksConflated.model_validate_json(event.data).dropped)
        self._told = len(told)
        if dropped:
            self._keys = [-1 if at in dropped else key for at, key in enumerate(self._keys)]
            self._expect()

    def check_bound(self, stats: Mapping[str, StageStats]) -> None:
        """Law 6: what is held follows the limits."""
        limits = self._plan.limits
        retained = 2 * self._plan.snapshot_events + limits.events
        for name, stage in stats.items():
            if stage.credit.peak_events > limits.events:
                raise LawBroken(f"{name} held {stage.credit.peak_events} unfinished events")
            if stage.retained.peak_events > retained:
                raise LawBroken(f"{name} held {stage.retained.peak_events} events in all")

    def check_end(self, parked: Sequence[Who]) -> None:
        """Laws 1 to 5 and 7: every stream is what a plain loop over the input decides.

        To the byte; but of aggregates that are `parked` only up to where they stopped.
        """
        self._read_log()
        held = {s: e for s, e in self._store.streams.items() if s.startswith("agent-")}
        for who in parked:
            stream = f"agent-{who.agent}/{who.aggregate}"
            wanted, found = self._streams.pop(stream, []), held.pop(stream, [])
            if found != wanted[: len(found)]:
                raise LawBroken(f"{stream} is in quarantine, and was decided on differently")
            if not (self._plan.poison or self._plan.deadly):
                raise LawBroken(f"{stream} is in quarantine without any poison")
            if wanted:
                self._set_aside[stream] = wanted
        for stream in sorted(held.keys() | self._streams.keys()):
            found, wanted = held.get(stream, []), self._streams.get(stream, [])
            if found != wanted:
                pairs = zip(found, wanted, strict=False)
                at = next((n for n, (one, other) in enumerate(pairs) if one != other), "the end")
                raise LawBroken(
                    f"{stream} has {len(found)} events for {len(wanted)}; first difference at {at}"
                )
        if _root(held) != _root(self._streams):
            raise LawBroken("the streams are the same, their root is not")
        self._streams |= self._set_aside

    def _holds_before(self, stage: str, position: int) -> bool:
        due = self._due.get(stage, [])
        covered = self._covered.get(stage, 0)
        while covered < len(due) and due[covered][0] < min(position, NEVER):
            at, stream, revision = due[covered]
            if self._store.revision(stream) < revision and not self._may_be_parked(stream, at):
                return False
            covered += 1
        if due:
            self._covered[stage] = covered
        return True

    def _may_be_parked(self, stream: str, position: int) -> bool:
        """Whether the aggregate of a stream meets poison at or before `position`."""
        key = stream.rpartition("/key-")[2]
        keys = self._plan.keys
        return any(
            at <= position and str(keys[at]) == key for at in self._plan.poison | self._plan.deadly
        )


def positions_in(ranges: Iterable[tuple[int, int]]) -> set[int]:
    """The positions of inclusive ranges."""
    return {at for first, last in ranges for at in range(first, last + 1)}


def _root(streams: Mapping[str, Sequence[NewEvent]]) -> str:
    heads = {name: events[-1] for name, events in streams.items() if events}
    return run_root({name: sha256(event.data).hexdigest() for name, event in heads.items()})
