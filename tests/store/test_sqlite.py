"""What only a store in a file can get wrong: what it opens, locks, full disks."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from runtime.errors import (
    StoreDamaged,
    StoreForbidden,
    StoreFull,
    StoreLocked,
    StoreMissing,
    StoreTooNew,
)
from runtime.events import named_id
from runtime.store import (
    SCHEMA_VERSION,
    Append,
    Checkpoint,
    Expected,
    SqliteStore,
    Write,
    connection,
)
from runtime.store.schema import APPLICATION_ID
from tests.store import children
from tests.store.limits import file_limit
from tests.store.samples import event, write_some

ANY = Expected.ANY
WAIT_SECONDS = 20


class TestOpen:
    def test_a_store_is_made_and_marked(self, path: Path) -> None:
        with SqliteStore.open(path) as store:
            store.append("s-1", ANY, [event("a")])
        with closing(sqlite3.connect(path)) as raw:
            facts = [
                raw.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("application_id", "user_version", "journal_mode", "integrity_check")
            ]
        assert facts == [APPLICATION_ID, SCHEMA_VERSION, "wal", "ok"]
        assert sorted(file.name for file in path.parent.iterdir()) == [
            "events.db",
            "events.db.lock",
        ]

    def test_what_was_written_is_found_again(self, path: Path) -> None:
        with SqliteStore.open(path) as store:
            first = store.append("s-1", ANY, [event("a")])
        with SqliteStore.open(str(path), create=False) as store:
            second = store.append("s-1", 0, [event("b")])
            assert second.position > first.position
            assert store.append("s-1", -1, [event("a")]) == first
            assert [item.event_id for item in store.read_all()] == [named_id("a"), named_id("b")]

    def test_a_missing_one_is_made_only_on_request(self, path: Path) -> None:
        for options in ({"create": False}, {"writer": False}):
            with pytest.raises(StoreMissing, match=str(path)):
                SqliteStore.open(path, **options)
        with pytest.raises(StoreMissing, match="folder"):
            SqliteStore.open(path.parent / "none" / "events.db")
        assert list(path.parent.iterdir()) == []

    def test_an_empty_file_becomes_a_store(self, path: Path) -> None:
        path.touch()
        with pytest.raises(StoreMissing):
            SqliteStore.open(path, writer=False)
        write_some(path)
        with SqliteStore.open(path, writer=False) as store:
            assert store.revision("s-1") == 299

    def test_a_creation_broken_off_is_begun_again(self, path: Path) -> None:
        path.with_name("events.db.new").write_bytes(b"half a store")
        write_some(path)
        assert not path.with_name("events.db.new").exists()

    def test_a_link_shares_the_lock_of_its_target(self, path: Path) -> None:
        link = path.with_name("link.db")
        link.symlink_to(path)
        with SqliteStore.open(path), pytest.raises(StoreLocked):
            SqliteStore.open(link)

    def test_odd_names(self, tmp_path: Path) -> None:
        for name in ("a b?mode=ro#%41.db", "é\U0001f642.db"):
            write_some(tmp_path / name)
            assert (tmp_path / name).stat().st_size > 0


class TestRefused:
    def test_a_newer_schema(self, path: Path) -> None:
        write_some(path)
        with closing(sqlite3.connect(path)) as raw:
            raw.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        told = rf"{path} was written by a newer Lucent \(schema 4, .* up to 3\): upgrade Lucent"
        for writer in (True, False):
            with pytest.raises(StoreTooNew, match=told):
                SqliteStore.open(path, writer=writer)

    def test_an_unknown_older_schema(self, path: Path) -> None:
        write_some(path)
        with closing(sqlite3.connect(path)) as raw:
            raw.execute("PRAGMA user_version = 0")
        with pytest.raises(StoreDamaged, match="unknown schema 0"):
            SqliteStore.open(path)

    @pytest.mark.parametrize("writer", [True, False])
    def test_a_file_of_something_else_is_left_alone(self, path: Path, writer: bool) -> None:
        with closing(sqlite3.connect(path)) as raw:
            raw.execute("CREATE TABLE events (x)")
        text = path.with_name("rates.csv")
        text.write_text("time,pool,rate\n" * 100)
        for file in (path, text):
            before = file.read_bytes()
            with pytest.raises(StoreDamaged, match=str(file)):
                SqliteStore.open(file, writer=writer)
            assert file.read_bytes() == before
        assert len(list(path.parent.iterdir())) == 2

    def test_a_folder(self, tmp_path: Path) -> None:
        for writer in (True, False):
            with pytest.raises(StoreMissing, match="folder"):
                SqliteStore.open(tmp_path, writer=writer)

    @pytest.mark.parametrize("kept", [0.5, 0.97])
    def test_a_truncated_file(self, path: Path, kept: float) -> None:
        write_some(path)
        os.truncate(path, int(path.stat().st_size * kept))
        with pytest.raises(StoreDamaged, match=str(path)):
            SqliteStore.open(path)

    def test_a_file_overwritten_in_the_middle(self, path: Path) -> None:
        write_some(path)
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * (size - 4096))

        def use(writer: bool) -> None:
            with SqliteStore.open(path, writer=writer) as store:
                if writer:
                    store.append("s-1", ANY, [event("new")])
                list(store.read_all())

        for writer in (True, False):
            with pytest.raises(StoreDamaged, match=f"{path}.*restore"):
                use(writer)

    def test_the_log_of_a_store_that_is_gone(self, path: Path) -> None:
        path.with_name("events.db-wal").write_bytes(b"left")
        with pytest.raises(StoreDamaged, match="-wal is left of a store"):
            SqliteStore.open(path)

    def test_writing_through_a_reader(self, path: Path) -> None:
        write_some(path)
        with SqliteStore.open(path, writer=False) as store:
            with pytest.raises(StoreForbidden, match="open it as a writer"):
                store.append("s-1", ANY, [event("new")])
            with pytest.raises(StoreForbidden, match="open it as a writer"):
                store.claim("run")
            assert store.revision("s-1") == 299

    def test_a_file_without_permission(self, public: Path) -> None:
        path = public / "events.db"
        write_some(path)
        path.with_name("events.db.lock").chmod(0o666)
        path.chmod(0o444)
        told = children.try_as_nobody(path, "reader")
        assert told.startswith(f"300\nStoreForbidden store {path} is open for reading")
        told = children.try_as_nobody(path, "writer")
        assert told.startswith(f"StoreForbidden no permission for {path}")
        path.chmod(0o000)
        for role in ("reader", "writer"):
            told = children.try_as_nobody(path, role)
            assert told.startswith(f"StoreForbidden no permission for {path}")

    def test_a_folder_without_permission(self, public: Path) -> None:
        path = public / "events.db"
        write_some(path)
        public.chmod(0o555)
        for file in (path, public / "new.db"):
            told = children.try_as_nobody(file, "writer")
            assert told.startswith(f"StoreForbidden no permission for {file}")
        told = children.try_as_nobody(path, "reader")
        assert told.startswith(f"StoreForbidden no permission for {path}")
        assert "copy the store into a folder of your own" in told
        public.chmod(0o000)
        for role in ("reader", "writer"):
            told = children.try_as_nobody(path, role)
            assert told.startswith(f"StoreForbidden no permission for {path}")


class TestLock:
    def test_one_process_writes_at_a_time(self, path: Path) -> None:
        with children.start(children.HOLD, path) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "open\n"
            with pytest.raises(StoreLocked, match=rf"{path} .*process {child.pid}\b"):
                SqliteStore.open(path, wait=0.1)
            with SqliteStore.open(path, writer=False) as reader:
                assert reader.end() == -1
            assert child.stdin is not None
            child.stdin.close()
            with SqliteStore.open(path, wait=WAIT_SECONDS) as store:
                assert store.append("s-1", ANY, [event("a")]).revision == 0

    def test_a_failed_opening_leaves_it_free(self, path: Path) -> None:
        write_some(path)
        with SqliteStore.open(path), pytest.raises(StoreLocked, match=f"process {os.getpid()}"):
            SqliteStore.open(path)
        with closing(sqlite3.connect(path)) as raw:
            raw.execute("PRAGMA application_id = 1")
        with pytest.raises(StoreDamaged):
            SqliteStore.open(path)
        with closing(sqlite3.connect(path)) as raw:
            raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        SqliteStore.open(path).close()

    def test_a_foreign_program_that_holds_the_file(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connection, "BUSY_SECONDS", 0.05)
        with SqliteStore.open(path) as store, closing(sqlite3.connect(path)) as raw:
            store.append("s-1", ANY, [event("a")])
            raw.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreLocked, match=f"another program holds {path}"):
                store.append("s-1", 0, [event("b")])
            assert store.revision("s-1") == 0
            raw.execute("ROLLBACK")
            assert store.append("s-1", 0, [event("b")]).revision == 1

    def test_a_foreign_program_that_wrote(self, path: Path) -> None:
        with SqliteStore.open(path) as store, closing(sqlite3.connect(path)) as raw:
            store.append("s-1", ANY, [event("a")])
            with raw:
                raw.execute(
                    "INSERT INTO events SELECT 2, stream, 1, event_id, type, data, metadata,"
                    " 0, json FROM events"
                )
            with pytest.raises(StoreDamaged, match="changed by another program"):
                store.append("s-1", 0, [event("b")])
            assert store.append("s-1", 1, [event("b")]).revision == 2


class TestFull:
    @contextmanager
    def few_pages(self, store: SqliteStore) -> Iterator[None]:
        writer = store._writer
        assert writer is not None
        pages = writer._connection.execute("PRAGMA page_count").fetchone()[0]
        writer._connection.execute(f"PRAGMA max_page_count = {pages + 20}")
        yield
        writer._connection.execute("PRAGMA max_page_count = 1000000")

    @contextmanager
    def small_files(self, store: SqliteStore) -> Iterator[None]:
        with file_limit(200_000):
            yield

    @pytest.mark.parametrize("limit", ["few_pages", "small_files"])
    def test_nothing_of_the_batch_is_stored_and_the_store_goes_on(
        self, path: Path, limit: str
    ) -> None:
        with SqliteStore.open(path) as store:
            store.append("s-1", ANY, [event("a")])
            batch = [event(str(i), 1000) for i in range(400)]
            big = Write(
                [Append("s-2", ANY, batch), Append("s-1", 0, batch)], [Checkpoint("c", "1")]
            )
            with getattr(self, limit)(store):
                for _ in range(2):
                    with pytest.raises(StoreFull, match=f"{path}.*nothing .* free disk space"):
                        store.write(big)
                assert store.streams() == ["s-1"]
                assert store.checkpoint("c") is None
                assert store.append("s-1", 0, [event("b")]).revision == 1
            assert store.append("s-2", ANY, batch).revision == 399
            assert len(list(store.read_all())) == 402
        with closing(sqlite3.connect(path)) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchone()[0] == "ok"

    def test_a_store_that_cannot_be_made_leaves_no_file(self, path: Path) -> None:
        with file_limit(8192), pytest.raises(StoreFull, match=str(path)):
            SqliteStore.open(path)
        assert [file.name for file in path.parent.iterdir()] == ["events.db.lock"]
        write_some(path)


def test_what_may_have_changed_metadata_is_counted(path: Path) -> None:
    with SqliteStore.open(path) as store:
        counts = [store.descriptions]
        for stream in ("s-1", "$$s-1", "$settings", "$ce-s", "$$$all"):
            store.append(stream, ANY, [event(stream)])
            counts.append(store.descriptions)
        store.delete("s-1")
        counts.append(store.descriptions)
        several = (Append("s-2", ANY, [event("a")]), Append("$$s-2", ANY, [event("b")]))
        store.write_each([Write(several[:1]), Write(several)])
        counts.append(store.descriptions)
    assert counts == [0, 0, 1, 2, 2, 3, 4, 5]
