from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runtime.store import EventStore, SqliteStore
from runtime.store.kurrent import KurrentStore
from runtime.store.wire import Serving
from tests.support.served import served


def _sqlite(folder: Path, held: ExitStack) -> EventStore:
    return held.enter_context(SqliteStore.open(folder / "events.db", poll=0.01))


def _kurrent(folder: Path, held: ExitStack) -> EventStore:
    """A KurrentDB client's store, of a server that holds an embedded one."""
    embedded = held.enter_context(SqliteStore.open(folder / "events.db"))
    port = held.enter_context(served(embedded, Serving(port=0)))
    address = f"esdb://localhost:{port}?tls=false"
    return held.enter_context(KurrentStore.open(address, patience=10.0))


STORES = {"sqlite": _sqlite, "kurrent": _kurrent}


@pytest.fixture(params=sorted(STORES))
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], EventStore]]:
    """Opens the store of this test, which holds what was written before; closes the one before."""
    with ExitStack() as held:

        def open_again() -> EventStore:
            held.close()
            return STORES[request.param](tmp_path, held)

        yield open_again


@pytest.fixture
def store(reopen: Callable[[], EventStore]) -> EventStore:
    return reopen()
