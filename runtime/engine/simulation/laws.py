"""The laws, checked on a simulated run while it goes on and at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from runtime.engine.cursor import read_stage_cursor
from runtime.engine.messages import BatchArrived
from runtime.engine.results import Sealed, Who
from runtime.engine.simulation.scenario import Scenario
from runtime.engine.simulation.store import SimulatedStore
from runtime.engine.statistics import StageStats
from runtime.engine.supervisor import NEVER
from runtime.events import NewEvent
from runtime.identity import run_root
from runtime.store import Checkpoint, Snapshot, Write

RUN = "simulated"


class LawBroken(AssertionError):
    """A simulated run broke a law; the message says which, and how."""


class Laws:
    """Knows what a run must come to, and compares."""

    def __init__(self, plan: Scenario, store: SimulatedStore, decided: Sequence[Sealed]) -> None:
        self._plan, self._store = plan, store
        self._streams: dict[str, list[NewEvent]] = {}
        self._due: dict[str, list[tuple[int, str, int]]] = {}
        for event in decided:
            self._streams.setdefault(event.stream, []).append(NewEvent(*event[2:]))
            stage = event.stream.partition("-")[2].partition("/")[0]
            due = self._due.setdefault(stage, [])
            due.append((int(event.metadata), event.stream, event.revision))
        self._covered = dict.fromkeys(self._due, 0)
        self._set_aside: dict[str, list[NewEvent]] = {}
        self._reached: dict[tuple[str, str], int] = {}

    def read(self, batch: BatchArrived) -> None:
        """Law 6: what was read and is not durable follows the limits."""
        if batch.stage != "s0":
            return
        durable = self._store.checkpoints.get(f"{RUN}/{batch.stage}")
        done = 0 if durable is None else read_stage_cursor(durable)[0]
        unfinished = sum(key >= 0 for key in self._plan.keys[done : batch.end])
        if unfinished > self._plan.limits.events:
            raise LawBroken(f"{batch.stage} read to {batch.end} while {done} were durable")

    def wrote(self, write: Write) -> None:
        """Law 3: neither checkpoint nor snapshot is ahead of the events it covers, or goes back."""
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


def _root(streams: Mapping[str, Sequence[NewEvent]]) -> str:
    heads = {name: events[-1] for name, events in streams.items() if events}
    return run_root({name: sha256(event.data).hexdigest() for name, event in heads.items()})
