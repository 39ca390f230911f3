"""Backups: whole, checked, made beside a writer, and never in the place of something."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from runtime.errors import (
    StoreDamaged,
    StoreExists,
    StoreForbidden,
    StoreFull,
    StoreMissing,
    StoreTooNew,
)
from runtime.store import SqliteStore
from runtime.store.upkeep import backup, check
from tests.store import children
from tests.store.limits import file_limit
from tests.store.samples import write_some
from tests.store.upkeep.samples import edit, entries, rows, write_rich

TABLES = ("streams", "events", "checkpoints", "snapshots", "snapshot_parts", "fences")
WAIT_SECONDS = 60


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "kept"
    folder.mkdir()
    return folder / "backup.db"


def test_it_is_the_same_store(path: Path, target: Path) -> None:
    write_rich(path)
    before = path.read_bytes()
    copy = backup(path, target)
    assert path.read_bytes() == before
    assert (copy.path, copy.events, copy.position) == (target, 190, 190)
    told = subprocess.run(["sha256sum", target], capture_output=True, text=True, check=True)
    assert told.stdout.split()[0] == copy.digest
    for table in TABLES:
        query = f"SELECT * FROM {table}"
        assert rows(target, query) == rows(path, query)
    with SqliteStore.open(target) as store:
        assert store.claim("run").epoch == 3


def test_nothing_else_is_left_in_the_folder(path: Path, target: Path) -> None:
    write_rich(path)
    backup(path, target)
    assert [one.name for one in target.parent.iterdir()] == [target.name]


def test_what_a_writer_of_this_process_has_just_stored_is_in_it(path: Path, target: Path) -> None:
    write_rich(path)
    with SqliteStore.open(path) as store:
        store.claim("late")
        assert backup(path, target).events == 190
    assert rows(target, "SELECT epoch FROM fences WHERE name = 'late'") == [(1,)]


def test_beside_a_writer_of_another_process(path: Path, target: Path) -> None:
    with children.start(children.WRITE, path, "0", "7") as writer:
        try:
            assert writer.stdout is not None
            for _ in range(20):
                writer.stdout.readline()
            copies = []
            for number in range(3):
                acknowledged = int(writer.stdout.readline())
                copies.append(backup(path, target.with_name(f"{number}.db")))
                last = rows(copies[-1].path, "SELECT CAST(cursor AS INTEGER) FROM checkpoints")
                assert last[0][0] >= acknowledged
        finally:
            writer.kill()
            writer.communicate(timeout=WAIT_SECONDS)
    for copy in copies:
        assert check(copy.path).sound
        assert entries(copy.path) == entries(path)[: copy.events]


def test_progress_ends_with_all_pages(path: Path, target: Path) -> None:
    write_some(path, 3000, 4000)
    told: list[tuple[int, int]] = []
    backup(path, target, lambda done, total: told.append((done, total)))
    assert len(told) > 1
    assert told[-1][0] == told[-1][1] == target.stat().st_size // 4096


def test_killed_in_its_midst_it_leaves_no_backup(path: Path, target: Path) -> None:
    write_some(path, 3000, 4000)
    with children.start(children.KILLED_BACK_UP, path, target) as child:
        child.communicate(timeout=WAIT_SECONDS)
    assert not target.exists()
    assert backup(path, target).events == 3000


class TestRefused:
    def test_where_something_stands(self, path: Path, target: Path) -> None:
        write_rich(path)
        target.write_bytes(b"precious")
        with pytest.raises(StoreExists, match=f"{target} is there already"):
            backup(path, target)
        assert target.read_bytes() == b"precious"
        with pytest.raises(StoreExists):
            backup(path, path)
        target.unlink()
        target.symlink_to("nowhere")
        with pytest.raises(StoreExists):
            backup(path, target)

    def test_beside_the_log_of_a_vanished_store(self, path: Path, target: Path) -> None:
        write_rich(path)
        left = target.with_name(f"{target.name}-wal")
        left.write_bytes(b"frames")
        with pytest.raises(StoreExists, match="is left of a store"):
            backup(path, target)

    def test_what_is_no_store(self, path: Path, target: Path) -> None:
        with pytest.raises(StoreMissing, match=str(path)):
            backup(path, target)
        with pytest.raises(StoreMissing, match=str(path.parent)):
            backup(path.parent, target)
        path.write_bytes(b"no store" * 1000)
        with pytest.raises(StoreDamaged, match=str(path)):
            backup(path, target)
        assert list(target.parent.iterdir()) == []

    def test_a_newer_store(self, path: Path, target: Path) -> None:
        write_rich(path)
        edit(path, "PRAGMA user_version = 99")
        with pytest.raises(StoreTooNew, match="upgrade Lucent"):
            backup(path, target)

    def test_a_store_that_is_not_sound(self, path: Path, target: Path) -> None:
        write_rich(path)
        edit(path, "DELETE FROM events WHERE position = 40")
        with pytest.raises(StoreDamaged, match="events were lost"):
            backup(path, target)
        assert list(target.parent.iterdir()) == []

    def test_no_folder(self, path: Path, target: Path) -> None:
        write_rich(path)
        with pytest.raises(StoreMissing, match="create the folder first"):
            backup(path, target.parent / "no" / "such.db")

    def test_a_full_disk(self, path: Path, target: Path) -> None:
        write_some(path)
        with file_limit(100_000), pytest.raises(StoreFull, match=f"no space left for {target} "):
            backup(path, target)
        assert list(target.parent.iterdir()) == []
        assert backup(path, target).events == 300

    def test_a_folder_that_may_not_be_written_in(self, public: Path) -> None:
        write_some(public / "log.db")
        (public / "log.db").chmod(0o644)
        shut = public / "shut"
        shut.mkdir()
        shut.chmod(0o755)
        told = children.back_up_as_nobody(public / "log.db", shut / "backup.db")
        assert told.startswith(StoreForbidden.__name__), told
