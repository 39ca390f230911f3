"""Persistent subscriptions: groups of consumers that share a stream, and where they have come."""
