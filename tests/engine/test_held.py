"""What is held of an aggregate in quarantine is found again, however much was held before it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

import pytest

from runtime.engine.commands import ReadHeld
from runtime.engine.held import held_batches
from runtime.engine.ipc import write_ipc
from runtime.engine.results import Who
from runtime.engine.simulation.feed import rows_of
from runtime.engine.simulation.store import SimulatedStore
from runtime.events import AggregateParked, EventsHeld, NewEvent, RecordedEvent, quarantine_stream

WHO = Who("one", "a")
STREAM = quarantine_stream("run", *WHO)
COUNT = 500
EACH = 4


class Counting(SimulatedStore):
    """Counts the events that are read."""

    reads = 0

    def event(self, stream: str, revision: int) -> RecordedEvent:
        self.reads += 1
        return super().event(stream, revision)


def standing(held_to: int) -> dict[str, object]:
    return {
        "run_id": "run-id",
        "stage": "one",
        "agent": WHO.agent,
        "aggregate": WHO.aggregate,
        "parked_at": 0,
        "held_to": held_to,
    }


def recorded(body: AggregateParked | EventsHeld) -> NewEvent:
    name = f"{type(body).__name__} {body.held_to}".encode().ljust(16)[:16]
    return NewEvent(name, type(body).__name__, body.model_dump_json().encode(), b"{}")


def events() -> Iterator[NewEvent]:
    by = {"strategy": "mine:Mine", "version": "1", "parameters": {}}
    why = {"error": "it raises", "trace": "", "state": "", "row": ""} | by
    yield recorded(AggregateParked.model_validate(standing(-1) | why))
    for number in range(COUNT):
        positions = list(range(EACH * number, EACH * (number + 1)))
        rows = b64encode(write_ipc(rows_of(["a"] * EACH, positions)).to_pybytes()).decode()
        told = {"first": positions[0], "count": EACH, "rows": rows}
        yield recorded(EventsHeld.model_validate(standing(positions[-1]) | told))


@pytest.fixture(scope="module")
def store() -> Counting:
    return Counting(streams={STREAM: list(events())})


@pytest.mark.parametrize("first", [0, 1, EACH, 777, EACH * COUNT - 1, EACH * COUNT])
def test_what_is_held_is_read_from_its_place_on(store: Counting, first: int) -> None:
    store.reads = 0
    batches = held_batches(store, "run", ReadHeld("one", WHO, first, 10))
    found = [at for rows in batches for at in rows.column("position").to_pylist()]
    assert found == list(range(first, min(first + len(found), EACH * COUNT)))
    assert len(found) >= min(10, EACH * COUNT - first)
    assert store.reads < 20, "not all that was held before"
