"""Projections that run beside a test, or in a process that is killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.events import NewEvent, named_id
from runtime.store import Expected, SqliteStore
from runtime.store.projections import Definition, Limits, Progress, Projections, Status
from runtime.store.projections.emission import json_object
from tests.store import children
from tests.support.waiting import SECONDS, until


def settle(projections: Projections, store: SqliteStore) -> None:
    """Wait until all that run have taken in the whole log."""

    def settled() -> bool:
        end = store.end()
        running = [r for r in projections.reports() if r.progress.status is Status.RUNNING]
        return all(r.progress.position >= end for r in running) and store.end() == end

    until(settled, "the projections did not come to the end of the log")


def ended(projections: Projections, name: str) -> Progress:
    """How a projection stands once it does not run any more."""
    until(
        lambda: projections.report(name).progress.status is not Status.RUNNING,
        f"{name} did not end",
    )
    return projections.report(name).progress


def append(
    store: SqliteStore, stream: str, *data: str, kind: str = "Added", metadata: str = ""
) -> None:
    """Append an event for each of `data`, with ids that follow from where the log ends."""
    end = store.end()
    store.append(
        stream,
        Expected.ANY,
        [
            NewEvent(named_id(f"{stream}/{end}/{i}"), kind, each.encode(), metadata.encode())
            for i, each in enumerate(data)
        ],
    )


@contextmanager
def projecting(
    store: SqliteStore, limits: Limits | None = None, *, standard: bool = False
) -> Iterator[Projections]:
    """The projections of a store, running inside the block."""
    projections = Projections(store, limits or Limits(seconds=10))
    projections.open(start_standard=standard)
    try:
        yield projections
    finally:
        projections.close()


def continuous(name: str, query: str, *, emit: bool = True, track: bool = False) -> Definition:
    """A projection to be created."""
    return Definition(name, 0, query, enabled=True, emit_enabled=emit, track_emitted_streams=track)


def contents(store: SqliteStore, *prefixes: str) -> dict[str, list[tuple[object, ...]]]:
    """What projections made: all streams with these prefixes, but for how far they came.

    The version of the definition (`$v`) is left out: it counts how often they were stopped.
    """
    names = [n for prefix in prefixes for n in store.streams(prefix)]
    return {
        name: [
            (e.revision, e.event_id, e.type, e.data, json_object(e.metadata) | {"$v": ""})
            for e in store.read_stream(name)
        ]
        for name in names
        if not name.endswith("-checkpoint") and name != "$et"
    }


def kill_at(program: str, goal: int, *arguments: str | Path) -> int:
    """Run a program that tells numbers, and kill it at `goal` or beyond; returns the last one."""
    told, end = -1, time.monotonic() + SECONDS
    with children.start(program, *arguments) as child:
        assert child.stdout is not None
        try:
            while told < goal:
                assert time.monotonic() < end, f"the projections did not go on beyond {told}"
                told = int(child.stdout.readline())
        finally:
            child.kill()
    return told
