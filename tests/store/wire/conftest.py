from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from esdbclient import EventStoreDBClient

from runtime.store import SqliteStore
from runtime.store.wire import Serving
from tests.support.served import served


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore.open(tmp_path / "served.db") as opened:
        yield opened


@pytest.fixture
def port(store: SqliteStore) -> Iterator[int]:
    with served(store, Serving(port=0, max_append=100_000)) as number:
        yield number


@pytest.fixture
def client(port: int) -> Iterator[EventStoreDBClient]:
    with EventStoreDBClient(f"esdb://localhost:{port}?Tls=false") as opened:
        yield opened
