"""Stores of an older schema: read as they are, brought to the present one by a writer."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runtime.errors import StoreFull
from runtime.events import RecordedEvent
from runtime.store import SCHEMA_VERSION, Fence, Snapshot, SqliteStore, Write
from tests.store import children
from tests.store.limits import file_limit
from tests.store.samples import ANY, event
from tests.store.version1 import SNAPSHOTS, write_version_1

WAIT_SECONDS = 60


@pytest.fixture
def old(path: Path) -> Path:
    write_version_1(path)
    return path


def tables(path: Path) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return raw.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2").fetchall()


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as raw:
        found: int = raw.execute("PRAGMA user_version").fetchone()[0]
        return found


def log(path: Path) -> list[RecordedEvent]:
    with SqliteStore.open(path, writer=False) as store:
        return list(store.read_all())


def assert_as_of_version_1(store: SqliteStore) -> None:
    assert store.revision("s-1") == 19
    assert len(list(store.read_all())) == 20
    assert store.checkpoint("run") == '{"at":1}'
    assert [store.snapshot(one.name) for one in SNAPSHOTS] == list(SNAPSHOTS)
    assert store.snapshot("none") is None
    assert store.snapshot("run/judge", {7, 8}) == Snapshot("run/judge", '{"at":1}', {7: b""})


class TestReader:
    def test_reads_all_of_it_and_leaves_it_as_it_is(self, old: Path) -> None:
        before = old.read_bytes()
        with SqliteStore.open(old, writer=False) as store:
            assert_as_of_version_1(store)
        assert old.read_bytes() == before

    def test_goes_on_while_a_writer_migrates(self, old: Path) -> None:
        with SqliteStore.open(old, writer=False) as reader:
            assert_as_of_version_1(reader)
            with SqliteStore.open(old) as store:
                assert_as_of_version_1(reader)
                store.write(Write(snapshots=[Snapshot("run/late", "9", {5: b"new"})]))
                assert reader.snapshot("run/late") == Snapshot("run/late", "9", {5: b"new"})


class TestWriter:
    def test_keeps_all_and_makes_the_present_schema(self, old: Path) -> None:
        before = log(old)
        with SqliteStore.open(old) as store:
            assert_as_of_version_1(store)
        assert log(old) == before
        fresh = old.with_name("fresh.db")
        SqliteStore.open(fresh).close()
        assert (version(old), tables(old)) == (SCHEMA_VERSION, tables(fresh))

    def test_old_snapshots_are_checked_from_now_on(self, old: Path) -> None:
        SqliteStore.open(old).close()
        with closing(sqlite3.connect(old)) as raw:
            parts = raw.execute("SELECT DISTINCT name, cursor FROM snapshot_parts ORDER BY name")
            assert list(parts) == [("run/judge", '{"at":1}'), ("rün", "3")]
            headers = raw.execute("SELECT length(digest) FROM snapshots").fetchall()
            assert headers == [(32,)] * len(SNAPSHOTS)

    def test_goes_on_with_what_it_found(self, old: Path) -> None:
        with SqliteStore.open(old) as store:
            assert store.claim("run") == Fence("run", 1)
            assert store.append("s-1", 19, [event("new")]).position == 21
            assert store.append("s-1", ANY, [event("0")]).revision == 0
            store.write(Write(snapshots=[Snapshot("run/judge", "2", {7: b"seven"})]))
        with SqliteStore.open(old) as store:
            parts = SNAPSHOTS[0].parts | {7: b"seven"}
            assert store.snapshot("run/judge") == Snapshot("run/judge", "2", parts)
            assert store.claim("run") == Fence("run", 2)

    def test_streams_are_limited_as_their_metadata_say(self, old: Path) -> None:
        with closing(sqlite3.connect(old)) as raw, raw:
            raw.execute("INSERT INTO streams VALUES (2, '$$s-1')")
            raw.execute(
                "INSERT INTO events VALUES (21, 2, 0, zeroblob(16), '$metadata',"
                " CAST('{\"$maxCount\":3}' AS BLOB), x'', 3)"
            )
        with SqliteStore.open(old) as store:
            assert [one.revision for one in store.read_stream("s-1")] == [17, 18, 19]

    def test_of_schema_3_it_gets_what_is_kept_of_removed_events(self, path: Path) -> None:
        SqliteStore.open(path).close()
        present = tables(path)
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("DROP TABLE scavenged")
            raw.execute("PRAGMA user_version = 3")
        with SqliteStore.open(path, writer=False) as store:
            assert list(store.entries()) == []
        SqliteStore.open(path).close()
        assert (version(path), tables(path)) == (SCHEMA_VERSION, present)


class TestBrokenOff:
    def test_killed_at_any_statement_it_is_of_version_1_still(
        self, old: Path, tmp_path: Path
    ) -> None:
        with children.start(children.MIGRATE, old, tmp_path / "killed") as child:
            told, _ = child.communicate(timeout=WAIT_SECONDS)
        *killed, whole = sorted(tmp_path.glob("killed-*.db"))
        assert int(told) == len(killed) > 20
        present = tables(whole)
        assert version(whole) == SCHEMA_VERSION
        for broken_off in killed:
            assert version(broken_off) == 1
            assert tables(broken_off) == tables(old)
            with SqliteStore.open(broken_off, writer=False) as store:
                assert_as_of_version_1(store)
            with SqliteStore.open(broken_off) as store:
                assert_as_of_version_1(store)
            assert tables(broken_off) == present

    def test_a_full_disk_leaves_version_1(self, old: Path) -> None:
        with closing(sqlite3.connect(old)) as raw, raw:
            raw.execute("UPDATE snapshot_parts SET state = zeroblob(500000) WHERE name = 'rün'")
        with file_limit(400_000), pytest.raises(StoreFull, match=str(old)):
            SqliteStore.open(old)
        assert version(old) == 1
        with SqliteStore.open(old) as store:
            assert store.snapshot("rün") == Snapshot("rün", "3", {1: bytes(500_000)})
