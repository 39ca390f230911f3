"""Event stores: the port and the embedded SQLite store."""

from runtime.store.expectation import History, judge
from runtime.store.port import (
    Append,
    Appended,
    CaughtUp,
    Checkpoint,
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
    "Append",
    "Appended",
    "CaughtUp",
    "Checkpoint",
    "EventStore",
    "Expected",
    "Fence",
    "Filter",
    "History",
    "Snapshot",
    "SqliteStore",
    "Write",
    "judge",
]
