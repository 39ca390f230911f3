"""Events to store, and a store with some."""

from __future__ import annotations

from pathlib import Path

from runtime.events import NewEvent, named_id
from runtime.store import (
    Append,
    Checkpoint,
    Expected,
    Snapshot,
    SqliteStore,
    Write,
)

ANY = Expected.ANY


def event(name: str, size: int = 0) -> NewEvent:
    return NewEvent(named_id(name), "T", b"x" * size, b"{}")


def write_some(path: Path, count: int = 300, size: int = 500) -> None:
    with SqliteStore.open(path) as store:
        store.append("s-1", ANY, [event(str(i), size) for i in range(count)])


def transaction(number: int) -> Write:
    """Two batches, a checkpoint and a snapshot, over some pages of the file."""
    appends = [
        Append(stream, ANY, [event(f"{number}/{stream}/{part}", 1_500) for part in range(4)])
        for stream in ("s-1", "s-2")
    ]
    cursor = str(number)
    snapshot = Snapshot("s", cursor, {number % 3: bytes(3_000)})
    return Write(appends, [Checkpoint("c", cursor)], [snapshot])


def stored_transactions(store: SqliteStore) -> int:
    """How many transactions the store holds; they are whole, the first ones, and in order."""
    log = list(store.read_all())
    count = int(store.checkpoint("c") or -1) + 1
    written = [
        new.event_id
        for number in range(count)
        for append in transaction(number).appends
        for new in append.events
    ]
    assert [item.event_id for item in log] == written
    snapshot = store.snapshot("s")
    assert (-1 if snapshot is None else int(snapshot.cursor)) == count - 1
    return count
