"""Clients of a store that was scavenged: they read what is left, where it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from esdbclient import EventStoreDBClient, NewEvent
from esdbclient.exceptions import NotFound, StreamIsDeleted, WrongCurrentVersion

from runtime.store import SqliteStore
from runtime.store.wire import Serving
from tests.store.upkeep.samples import write_rich
from tests.support.served import served

WAIT_SECONDS = 20


def test_a_client_reads_across_the_gaps_and_writes_on(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    write_rich(path)
    with (
        SqliteStore.open(path) as store,
        served(store, Serving(port=0)) as port,
        EventStoreDBClient(f"esdb://localhost:{port}?tls=false") as client,
    ):
        before = client.get_stream("count-1")
        removed = store.scavenge()
        assert client.get_stream("count-1") == before
        numbers = [one.stream_position for one in client.get_stream("tb-1", stream_position=3)]
        assert numbers == [25, 26, 27, 28, 29]
        log = list(client.read_all(filter_exclude=()))
        assert len(log) == 190 - removed.events
        forwards = [one.commit_position for one in log]
        backwards = client.read_all(filter_exclude=(), backwards=True)
        assert [one.commit_position for one in backwards] == forwards[::-1]
        with client.subscribe_to_all(timeout=WAIT_SECONDS, filter_exclude=()) as events:
            assert [next(events).id for _ in log] == [one.id for one in log]
        with pytest.raises(NotFound):
            client.get_stream("soft-1")
        with pytest.raises(StreamIsDeleted):
            client.get_stream("hard-1")
        with pytest.raises(WrongCurrentVersion):
            client.append_event("count-1", current_version=3, event=NewEvent("A", b"{}"))
        client.append_event("count-1", current_version=29, event=NewEvent("A", b"{}"))
        assert [one.stream_position for one in client.get_stream("count-1")][-1] == 30
