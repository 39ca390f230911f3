"""Event stores: the port and the embedded SQLite store."""

from runtime.store.expectation import TOMBSTONE, Head, History, judge
from runtime.store.opening import is_address, open_store, shown, typed
from runtime.store.port import (
    Append,
    Appended,
    CaughtUp,
    Checkpoint,
    Delete,
    EventStore,
    Expected,
    Fence,
    Filter,
    Snapshot,
    Write,
)
from runtime.store.schema import SCHEMA_VERSION
from runtime.store.sqlite import SqliteStore

__all__ = [
    "SCHEMA_VERSION",
    "TOMBSTONE",
    "Append",
    "Appended",
    "CaughtUp",
    "Checkpoint",
    "Delete",
    "EventStore",
    "Expected",
    "Fence",
    "Filter",
    "Head",
    "History",
    "Snapshot",
    "SqliteStore",
    "Write",
    "is_address",
    "judge",
    "open_store",
    "shown",
    "typed",
]
