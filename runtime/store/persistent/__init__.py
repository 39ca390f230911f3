"""Persistent subscriptions: groups of consumers that share a stream, and where they have come."""

from runtime.store.persistent.subsystem import Subsystem

__all__ = ["Subsystem"]
