"""KurrentDB's wire protocol in front of the embedded store."""

from runtime.store.wire.server import Access, Serving, serve

__all__ = ["Access", "Serving", "serve"]
