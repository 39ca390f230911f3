"""Events to store, and a store with some."""

from __future__ import annotations

from pathlib import Path

from runtime.events import NewEvent, named_id
from runtime.store import (
    Expected,
    SqliteStore,
)

ANY = Expected.ANY


def event(name: str, size: int = 0) -> NewEvent:
    return NewEvent(named_id(name), "T", b"x" * size, b"{}")


def write_some(path: Path, count: int = 300, size: int = 500) -> None:
    with SqliteStore.open(path) as store:
        store.append("s-1", ANY, [event(str(i), size) for i in range(count)])
