"""A server that is stopped and started again under KurrentDB's clients for Node."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from runtime.store import SqliteStore
from runtime.store.wire import Serving
from tests.integration.nodes import plain, started
from tests.support.served import served


def test_a_client_goes_on_when_its_server_is_back(package: str, tmp_path: Path) -> None:
    with SqliteStore.open(tmp_path / "served.db") as store, ExitStack() as held:
        server = held.enter_context(ExitStack())
        port = server.enter_context(served(store, Serving(port=0)))
        script = held.enter_context(started("restart.mjs", package, plain(port)))
        assert script.told("first")["nextExpectedRevision"] == 9
        script.told("up")
        server.close()
        script.go_on()
        assert script.told("dropped") in ("unavailable", "cancelled")
        assert "unavailable" in script.told("down").lower()
        script.told("is down")
        server.enter_context(served(store, Serving(port=port)))
        script.go_on()
        told = script.rest()
    assert told["second"]["nextExpectedRevision"] == 19
    assert told["again"] == told["second"]
    assert told["resumed"] == list(range(10, 20))
    assert told["read"] == list(range(20))
