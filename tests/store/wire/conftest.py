from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from esdbclient import EventStoreDBClient

from runtime.store import SqliteStore
from runtime.store.persistent import subsystem
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


@pytest.fixture
def channel(port: int) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"localhost:{port}") as opened:
        yield opened


@pytest.fixture
def quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups look often for what was not answered for in time."""
    monkeypatch.setattr(subsystem, "TICK_SECONDS", 0.02)
