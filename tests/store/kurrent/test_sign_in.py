"""A store on a server that asks who calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import StoreForbidden
from runtime.events import NewEvent, named_id
from runtime.store import Expected, SqliteStore, open_store
from tests.store.wire.secured import secured


@pytest.mark.parametrize("user", ["admin", "ops", "ada"])
def test_the_password_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    with SqliteStore.open(tmp_path / "log.db") as embedded, secured(embedded, tmp_path) as server:
        (tmp_path / "ca.crt").write_bytes(server.authority.pem)
        monkeypatch.setenv("LUCENT_STORE_PASSWORD", user * 2)
        place = f"esdb://{user}@localhost:{server.port}?tlsCaFile={tmp_path / 'ca.crt'}"
        if user != "admin":
            with pytest.raises(StoreForbidden, match="denies access"):
                open_store(place, writer=True)
            return
        store = open_store(place, writer=True)
        store.append("s-1", Expected.ANY, [NewEvent(named_id("e"), "Seen", b"{}", b"")])
        assert [event.type for event in store.read_all()] == ["Seen"]
        store.close()
