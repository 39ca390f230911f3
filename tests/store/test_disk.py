"""A real disk that is full, or may only be read. Needs the right to mount one."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

import pytest

from runtime.errors import StoreForbidden, StoreFull
from runtime.events import RecordedEvent
from runtime.store import CaughtUp, SqliteStore
from tests.store.samples import event, stored_transactions, transaction, write_some

MEGABYTES, BALLAST = 4, 2**20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A folder that is a disk of a few megabytes."""
    options = ["-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs"]
    done = subprocess.run(["mount", *options, str(tmp_path)], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("this user may not mount a disk")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


class TestFull:
    def fill(self, store: SqliteStore, path: Path) -> int:
        """Write until the disk is full; how many transactions were answered."""
        with path.with_name("ballast").open("wb") as ballast:
            ballast.write(bytes(BALLAST))
        for number in count():
            try:
                store.write(transaction(number))
            except StoreFull as error:
                refused = str(error)
                break
        assert f"no space left for {path}" in refused
        return number

    def test_a_refused_write_stores_nothing_and_what_is_stored_is_read(self, disk: Path) -> None:
        path = disk / "events.db"
        with SqliteStore.open(path) as store, SqliteStore.open(path, writer=False) as reader:
            subscription = reader.subscribe()
            answered = self.fill(store, path)
            assert len(_caught_up(subscription)) == 8 * answered
            for _ in range(3):
                with pytest.raises(StoreFull):
                    store.write(transaction(answered))
                assert stored_transactions(reader) == stored_transactions(store) == answered
            path.with_name("ballast").unlink()
            store.write(transaction(answered))
            assert len(_caught_up(subscription)) == 8
            subscription.close()
        with SqliteStore.open(path) as store:
            assert stored_transactions(store) == answered + 1

    def test_a_store_closed_on_a_full_disk_is_whole_when_there_is_room(self, disk: Path) -> None:
        path = disk / "events.db"
        with SqliteStore.open(path) as store:
            answered = self.fill(store, path)
        for writer in (True, False, True):
            with suppress(StoreFull), SqliteStore.open(path, writer=writer) as store:
                assert stored_transactions(store) == answered
        path.with_name("ballast").unlink()
        with SqliteStore.open(path) as store:
            assert stored_transactions(store) == answered
            store.write(transaction(answered))
        with closing(sqlite3.connect(path)) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def _caught_up(subscription: Iterator[RecordedEvent | CaughtUp]) -> list[RecordedEvent]:
    """What a subscription returns before it is caught up."""
    events: list[RecordedEvent] = []
    for item in subscription:
        if isinstance(item, CaughtUp):
            break
        events.append(item)
    return events


class TestReadOnly:
    def test_it_is_told_what_to_do(self, disk: Path) -> None:
        path = disk / "events.db"
        write_some(path)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for writer in (True, False):
            with pytest.raises(StoreForbidden, match=f"no permission for {path}.*copy the store"):
                SqliteStore.open(path, writer=writer)
        with pytest.raises(StoreForbidden, match="no permission"):
            SqliteStore.open(disk / "new.db")
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        with SqliteStore.open(path) as store:
            assert store.append("s-1", 299, [event("new")]).revision == 300
