"""What the log is told of dropped rows: each once, wherever batches end."""

from __future__ import annotations

import numpy as np

from runtime.engine.intake import IntakeBook, recorded_intake
from runtime.engine.pen import Author, Pen
from runtime.engine.results import Taken
from runtime.engine.simulation.store import SimulatedStore
from runtime.feeds import Drop
from runtime.store import Write

AUTHOR = Author("run", "run-id", "did:key:test", lambda message: bytes(64), {})


def tell(store: SimulatedStore, *taken: Taken) -> None:
    """A process tells what it takes in, and ends."""
    book = IntakeBook(Pen(AUTHOR, store), ahead=16)
    for one in taken:
        book.note("s0", one)
    store.write(Write(book.pen.appends()))


def dropped(store: SimulatedStore, since: int = 0) -> set[int]:
    record = recorded_intake(store, "run", "s0", since=since)
    return {at for at in range(100) if record.codes(np.array([at]))[0]}


def test_a_range_that_was_told_in_part_is_told_to_its_end() -> None:
    store = SimulatedStore()
    tell(store, Taken(16, (Drop("conflate", ((14, 15),)),)))
    tell(store, Taken(20, (Drop("conflate", ((14, 18),)),)))
    assert dropped(store) == {14, 15, 16, 17, 18}


def test_what_was_told_is_not_told_again() -> None:
    store = SimulatedStore()
    taken = Taken(10, (Drop("conflate", ((2, 4),)), Drop("reject", ((7, 9),))))
    tell(store, taken)
    tell(store, taken)
    assert store.revision("system-run/s0") == 1
    assert dropped(store) == {2, 3, 4, 7, 8, 9}


def test_a_resume_reads_no_more_than_it_needs() -> None:
    store = SimulatedStore()
    tell(store, Taken(10, (Drop("reject", ((2, 4),)),)), Taken(30, (Drop("reject", ((20, 22),)),)))
    assert dropped(store, since=10) == {20, 21, 22}
    assert recorded_intake(store, "run", "s0", since=50).through == 32
