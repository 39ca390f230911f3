"""Snapshots whose rows in the file were edited."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runtime.errors import SnapshotDamaged, StoreDamaged
from runtime.store import Snapshot, SqliteStore, Write

LISTED = "snapshot 'run' is damaged: its cursor was altered, or parts were removed, added"


def edit(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(script)


def swap(columns: str, one: int, other: int) -> str:
    """Exchange columns of two key groups of the snapshot `run`."""
    sets = ", ".join(
        f"{name} = (SELECT {name} FROM before WHERE key_group = {one + other} - p.key_group)"
        for name in columns.split()
    )
    return (
        "CREATE TABLE before AS SELECT * FROM snapshot_parts WHERE name = 'run';"
        f"UPDATE snapshot_parts AS p SET {sets}"
        f" WHERE name = 'run' AND key_group IN ({one}, {other}); DROP TABLE before;"
    )


def of(group: int) -> str:
    return f"state of key group {group},"


@pytest.fixture
def stored(path: Path) -> Path:
    """A store with the snapshots `run`, whose parts are of three cursors, and `other`."""
    with SqliteStore.open(path) as store:
        for snapshot in (
            Snapshot("run", "1", {1: b"one", 2: b"two", 3: b"three", 4: b""}),
            Snapshot("run", "2", {2: b"TWO"}),
            Snapshot("run", "3", {3: b"THREE"}),
            Snapshot("other", "3", {1: b"one", 2: b"two"}),
        ):
            store.write(Write(snapshots=[snapshot]))
    return path


PART = "UPDATE snapshot_parts SET {} WHERE name = 'run' AND key_group = {}".format
DAMAGE = {
    "a byte of a state": (PART("state = CAST('tWo' AS BLOB)", 2), of(2)),
    "a state cut short": (PART("state = CAST('TW' AS BLOB)", 2), of(2)),
    "a state emptied": (PART("state = x''", 1), of(1)),
    "an empty state filled": (PART("state = x'00'", 4), of(4)),
    "a state of another type": (PART("state = 1", 1), of(1)),
    "the cursor of a part": (PART("cursor = '3'", 2), of(2)),
    "the cursor of a part, not text": (PART("cursor = x'ff'", 2), "restore"),
    "the digest of a part": (PART("digest = zeroblob(32)", 3), of(3)),
    "a digest of another type": (PART("digest = 'x'", 3), of(3)),
    "the key group of a part": (PART("key_group = 9", 1), of(9)),
    "a key group of another type": (PART("key_group = 'x'", 1), LISTED),
    "a part removed": ("DELETE FROM snapshot_parts WHERE name = 'run' AND key_group = 2", LISTED),
    "all parts removed": ("DELETE FROM snapshot_parts WHERE name = 'run'", LISTED),
    "states exchanged": (swap("state", 1, 2), of(1)),
    "states and digests exchanged": (swap("digest state", 1, 4), of(1)),
    "all of two parts exchanged": (swap("cursor digest state", 2, 3), of(2)),
    "a part copied from another group": (
        "INSERT INTO snapshot_parts SELECT name, 9, cursor, digest, state FROM snapshot_parts"
        " WHERE name = 'run' AND key_group = 1",
        of(9),
    ),
    "a part of another snapshot": (
        "UPDATE snapshot_parts SET name = 'run', key_group = 9 WHERE name = 'other'"
        " AND key_group = 2",
        of(9),
    ),
    "the cursor": ("UPDATE snapshots SET cursor = '2' WHERE name = 'run'", LISTED),
    "the digest": ("UPDATE snapshots SET digest = x'' WHERE name = 'run'", LISTED),
    "the digest of another snapshot": (
        "UPDATE snapshots SET digest = (SELECT digest FROM snapshots WHERE name = 'other')",
        LISTED,
    ),
    "the header removed": ("DELETE FROM snapshots WHERE name = 'run'", "4 parts have lost"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("writer", [True, False])
def test_every_edit_is_found_and_told(stored: Path, damage: str, writer: bool) -> None:
    script, told = DAMAGE[damage]
    edit(stored, script)
    with SqliteStore.open(stored, writer=writer) as store:
        with pytest.raises(StoreDamaged) as raised:
            store.snapshot("run")
        assert told in str(raised.value)
        assert "restore" in str(raised.value)


def test_a_part_of_an_older_snapshot_is_found_by_the_list(stored: Path) -> None:
    edit(stored, "CREATE TABLE kept AS SELECT * FROM snapshot_parts WHERE name = 'run'")
    with SqliteStore.open(stored) as store:
        store.write(Write(snapshots=[Snapshot("run", "4", {1: b"ONE"})]))
    edit(
        stored,
        "REPLACE INTO snapshot_parts SELECT * FROM kept WHERE key_group = 1; DROP TABLE kept",
    )
    with (
        SqliteStore.open(stored, writer=False) as store,
        pytest.raises(SnapshotDamaged, match=LISTED),
    ):
        store.snapshot("run")


def test_an_edit_that_changes_nothing_is_no_damage(stored: Path) -> None:
    edit(stored, swap("state", 1, 1) + "UPDATE snapshots SET cursor = '3' WHERE name = 'run'")
    with SqliteStore.open(stored, writer=False) as store:
        parts = {1: b"one", 2: b"TWO", 3: b"THREE", 4: b""}
        assert store.snapshot("run") == Snapshot("run", "3", parts)


def test_states_that_are_not_read_are_not_checked(stored: Path) -> None:
    edit(stored, PART("state = x'00'", 2))
    with SqliteStore.open(stored, writer=False) as store:
        assert store.snapshot("run", {1, 3}) == Snapshot("run", "3", {1: b"one", 3: b"THREE"})
        with pytest.raises(SnapshotDamaged, match=of(2)):
            store.snapshot("run", {2})


def test_the_list_is_checked_whatever_is_read(stored: Path) -> None:
    edit(stored, "DELETE FROM snapshot_parts WHERE key_group = 4")
    with SqliteStore.open(stored, writer=False) as store:
        for groups in ({1}, {4}, ()):
            with pytest.raises(SnapshotDamaged, match=LISTED):
                store.snapshot("run", groups)
        assert store.snapshot("other") == Snapshot("other", "3", {1: b"one", 2: b"two"})


@pytest.mark.parametrize("damage", ["a part removed", "the cursor", "the header removed"])
def test_an_increment_does_not_hide_the_loss_and_a_whole_one_mends_it(
    stored: Path, damage: str
) -> None:
    edit(stored, DAMAGE[damage][0])
    with SqliteStore.open(stored) as store:
        with pytest.raises(SnapshotDamaged, match="'run'"):
            store.write(Write(snapshots=[Snapshot("run", "4", {1: b"ONE"})]))
        with pytest.raises(SnapshotDamaged, match="'run'"):
            store.snapshot("run")
        store.write(Write(snapshots=[Snapshot("run", "4", {1: b"ONE"}, whole=True)]))
        assert store.snapshot("run") == Snapshot("run", "4", {1: b"ONE"})
