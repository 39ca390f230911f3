from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from runtime.store import SqliteStore
from runtime.store.wire import Serving
from tests.integration.nodes import PACKAGES, modules, plain, started
from tests.support.served import served

MAX_APPEND = 200_000

Told = dict[str, Any]
Ask = Callable[[str], Told]


@pytest.fixture(scope="module", params=PACKAGES)
def package(request: pytest.FixtureRequest) -> str:
    """A package of a client for Node; skips where it cannot be had."""
    modules()
    return str(request.param)


@pytest.fixture(scope="module")
def ask(package: str, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Runs a script against a server and a store of its own; gives all that it tells."""

    def told_by(script: str) -> Told:
        path = tmp_path_factory.mktemp("served") / "served.db"
        with (
            SqliteStore.open(path) as store,
            served(store, Serving(port=0, max_append=MAX_APPEND)) as port,
            started(script, package, plain(port)) as running,
        ):
            return running.rest()

    return told_by
