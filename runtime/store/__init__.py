"""Event stores: the port, the embedded SQLite store, and what opens a store by its address."""

from runtime.store.expectation import TOMBSTONE, Head, History, judge
from runtime.store.opening import is_address, open_store, shown, typed
from runtime.store.policy import BOOKS, TOMBSTONE_TYPE
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
from runtime.store.pruning import Pruned
from runtime.store.schema import SCHEMA_VERSION
from runtime.store.sqlite import SqliteStore

__all__ = [
    "BOOKS",
    "SCHEMA_VERSION",
    "TOMBSTONE",
    "TOMBSTONE_TYPE",
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
    "Pruned",
    "Snapshot",
    "SqliteStore",
    "Write",
    "is_address",
    "judge",
    "open_store",
    "shown",
    "typed",
]
