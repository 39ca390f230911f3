"""What opening a store finds, and that it takes the same however long the log is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runtime.errors import StoreDamaged
from runtime.store import SqliteStore
from runtime.store.connection import connect
from runtime.store.soundness import check_end
from tests.store.samples import ANY, event, write_some

DAMAGES = {
    "DROP TABLE fences": "its table or index 'fences' is missing",
    "UPDATE events SET stream = 7 WHERE position = 300": "is of no stream",
    "DROP INDEX events_by_id": "its table or index 'events_by_id' is missing",
}


def steps(path: Path) -> int:
    """How many of SQLite's instructions it takes to look at a store that is opened."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    with closing(connect(path, "ro")) as connection:
        connection.set_progress_handler(step, 1)
        check_end(connection, path)
    return count


@pytest.mark.parametrize("statement", sorted(DAMAGES))
def test_damage_that_is_seen_at_once(path: Path, statement: str) -> None:
    write_some(path)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(statement)
    for writer in (True, False):
        with pytest.raises(StoreDamaged, match=DAMAGES[statement]):
            SqliteStore.open(path, writer=writer)


@pytest.mark.parametrize("writer", [True, False])
def test_a_file_that_lost_its_end(path: Path, writer: bool) -> None:
    write_some(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 4096])
    with pytest.raises(StoreDamaged, match=str(path)):
        SqliteStore.open(path, writer=writer)


def test_an_index_that_lost_the_last_event(path: Path) -> None:
    write_some(path)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("PRAGMA writable_schema = ON")
        raw.execute(
            "UPDATE sqlite_schema SET sql = sql || ' WHERE position < 300'"
            " WHERE name = 'events_by_id'"
        )
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("REINDEX events_by_id")
        raw.execute("PRAGMA writable_schema = ON")
        raw.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, ' WHERE position < 300', '')"
            " WHERE name = 'events_by_id'"
        )
    with pytest.raises(StoreDamaged, match=r"last event \(position 300\) is not where"):
        SqliteStore.open(path, writer=False)


def test_what_still_waits_in_the_write_ahead_log_is_not_missed(path: Path) -> None:
    write_some(path, 10)
    with SqliteStore.open(path) as store:
        store.append("s-1", ANY, [event(f"more {i}", 2000) for i in range(500)])
        with SqliteStore.open(path, writer=False) as reader:
            assert reader.end() == 510


def test_it_takes_the_same_whatever_the_length(path: Path, tmp_path: Path) -> None:
    write_some(path, 200, 0)
    write_some(tmp_path / "long.db", 20_000, 0)
    assert steps(tmp_path / "long.db") <= steps(path) + 5
