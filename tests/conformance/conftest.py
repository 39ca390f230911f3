from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.store import EventStore, SqliteStore


def _sqlite(folder: Path) -> EventStore:
    return SqliteStore.open(folder / "events.db", poll=0.01)


STORES = {"sqlite": _sqlite}


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()
