"""KurrentDB as an event store."""

from runtime.store.kurrent.store import KurrentStore

__all__ = ["KurrentStore"]
