"""KurrentDB's wire protocol in front of the embedded store."""

from runtime.store.wire.server import Serving, serve

__all__ = ["Serving", "serve"]
