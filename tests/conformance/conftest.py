from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.store import EventStore, SqliteStore


def _sqlite(folder: Path) -> EventStore:
    return SqliteStore.open(folder / "events.db", poll=0.01)


STORES = {"sqlite": _sqlite}


@pytest.fixture(params=sorted(STORES))
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], EventStore]]:
    """Opens the store of this test, which holds what was written before; closes the one before."""
    opened: list[EventStore] = []

    def open_again() -> EventStore:
        for before in opened:
            before.close()
        opened.append(STORES[request.param](tmp_path))
        return opened[-1]

    yield open_again
    for each in opened:
        each.close()


@pytest.fixture
def store(reopen: Callable[[], EventStore]) -> EventStore:
    return reopen()
