"""A store that is served by a thread of this process."""

from __future__ import annotations

from contextlib import AbstractContextManager

from runtime.store import SqliteStore
from runtime.store.wire import Serving, serve
from tests.support.beside import beside


def served(store: SqliteStore, serving: Serving) -> AbstractContextManager[int]:
    """Serve `store` inside the block; gives the port."""
    return beside(lambda: serve(store, serving))
