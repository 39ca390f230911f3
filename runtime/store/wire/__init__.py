"""KurrentDB's wire protocol in front of the embedded store."""

from runtime.store.wire.server import serve
from runtime.store.wire.serving import Access, Serving

__all__ = ["Access", "Serving", "serve"]
