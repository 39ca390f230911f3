"""Exports and imports: byte for byte there and back, or nothing at all and a named culprit."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runtime.errors import ArchiveInvalid, StoreDamaged, StoreExists, StoreFull, StoreMissing
from runtime.events import NewEvent, RecordedEvent
from runtime.jobs.launch import run
from runtime.jobs.verification import verify_store
from runtime.store import Expected, SqliteStore
from runtime.store.kurrent import KurrentStore
from runtime.store.upkeep import Copy, check, columns, export, ingest
from runtime.store.wire import Serving
from tests.laws.study import ROOT, arithmetic
from tests.store.limits import file_limit
from tests.store.samples import write_some
from tests.store.upkeep.samples import edit, entries, rows, write_any, write_rich
from tests.support.seeds import seeded
from tests.support.served import served

FORMS = ["ndjson", "parquet"]


def export_file(path: Path, target: Path) -> Copy:
    with SqliteStore.open(path, writer=False) as store:
        return export(store, target)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", range(3))
def test_any_log_comes_back_and_gives_the_same_file_again(
    tmp_path: Path, form: str, case: int
) -> None:
    path, copied = tmp_path / "log.db", tmp_path / "copied.db"
    write_any(path, seeded(case))
    first, second = tmp_path / f"first.{form}", tmp_path / f"second.{form}"
    exported = export_file(path, first)
    imported = ingest(first, copied)
    assert entries(copied) == entries(path)
    limits = "SELECT name, truncate_before, max_count, max_age FROM streams ORDER BY name"
    assert rows(copied, limits) == rows(path, limits)
    assert (imported.events, imported.position) == (exported.events, exported.position)
    assert export_file(copied, second).digest == exported.digest
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("form", FORMS)
def test_an_imported_store_goes_on_as_the_other_does(tmp_path: Path, form: str) -> None:
    path, copied = tmp_path / "log.db", tmp_path / "copied.db"
    write_rich(path)
    with SqliteStore.open(path) as store:
        store.scavenge()
    export_file(path, tmp_path / f"log.{form}")
    ingest(tmp_path / f"log.{form}", copied)
    answers = []
    for place in (path, copied):
        with SqliteStore.open(place) as store:
            events = [NewEvent(bytes([n] * 16), "T", b"", b"") for n in range(3)]
            answers.append(
                [
                    store.append("count-1", 29, events),
                    store.append("soft-1", Expected.ANY, events),
                    store.delete("free-1"),
                    next(store.read_stream("count-1")).revision,
                ]
            )
    assert answers[0] == answers[1]


def test_an_imported_run_has_the_same_root_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    assert run(arithmetic(path)).root == ROOT
    for form in FORMS:
        export_file(path, tmp_path / f"run.{form}")
        copied = tmp_path / f"{form}.db"
        ingest(tmp_path / f"run.{form}", copied)
        assert verify_store(copied, root=ROOT).damages == ()
    assert run(arithmetic(tmp_path / "ndjson.db")).root == ROOT


def test_a_line_is_an_event_in_log_order(tmp_path: Path) -> None:
    write_rich(tmp_path / "log.db")
    copy = export_file(tmp_path / "log.db", tmp_path / "log.ndjson")
    lines = (tmp_path / "log.ndjson").read_bytes().splitlines()
    assert len(lines) == copy.events == 190


def test_a_table_has_typed_columns(tmp_path: Path) -> None:
    write_rich(tmp_path / "log.db")
    export_file(tmp_path / "log.db", tmp_path / "log.parquet")
    table = pq.read_table(tmp_path / "log.parquet")
    assert table.schema.field("recorded_at").type == pa.timestamp("ns", "UTC")
    assert table.schema.field("position").type == pa.uint64()
    assert table["position"].to_pylist() == list(range(1, 191))


def test_an_empty_log(tmp_path: Path) -> None:
    SqliteStore.open(tmp_path / "log.db").close()
    for form in FORMS:
        assert export_file(tmp_path / "log.db", tmp_path / f"log.{form}").events == 0
        assert ingest(tmp_path / f"log.{form}", tmp_path / f"{form}.db").position == -1


def test_row_groups_are_bounded_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MOST_BYTES", 10_000)
    write_some(tmp_path / "log.db", 50, 1000)
    export_file(tmp_path / "log.db", tmp_path / "log.parquet")
    assert pq.ParquetFile(tmp_path / "log.parquet").num_row_groups == 5
    ingest(tmp_path / "log.parquet", tmp_path / "copied.db")
    assert entries(tmp_path / "copied.db") == entries(tmp_path / "log.db")


def test_an_export_ends_where_the_log_ended(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    write_some(path, 2500)
    with SqliteStore.open(path) as store:
        progress = iter([store.append])

        def write_more(_: int, __: int) -> None:
            for append in progress:
                append("late-1", -1, [NewEvent(bytes(16), "T", b"", b"")])

        assert export(store, tmp_path / "log.ndjson", write_more).events == 2500
        assert store.end() == 2501


def test_a_server_is_exported_through_the_port(tmp_path: Path) -> None:
    with SqliteStore.open(tmp_path / "log.db") as embedded:
        embedded.append("a-1", -1, [NewEvent(bytes([n] * 16), "T", b"{}", b"") for n in range(9)])
        with (
            served(embedded, Serving(port=0)) as port,
            KurrentStore.open(f"esdb://localhost:{port}?tls=false", writer=False) as store,
        ):
            copy = export(store, tmp_path / "log.ndjson")
    assert copy.events == 9
    ingest(tmp_path / "log.ndjson", tmp_path / "copied.db")
    with SqliteStore.open(tmp_path / "copied.db", writer=False) as copied:
        assert [one.event_id[0] for one in copied.read_stream("a-1")] == list(range(9))


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[list[bytes]]:
    """The lines of an export, which a test may change; then they must be refused."""
    write_rich(tmp_path / "log.db")
    with SqliteStore.open(tmp_path / "log.db") as store:
        store.scavenge()
    export_file(tmp_path / "log.db", tmp_path / "log.ndjson")
    return (tmp_path / "log.ndjson").read_bytes().splitlines(keepends=True)


def refused(tmp_path: Path, lines: list[bytes]) -> str:
    archive, target = tmp_path / "bad.ndjson", tmp_path / "bad.db"
    archive.write_bytes(b"".join(lines))
    with pytest.raises(ArchiveInvalid) as told:
        ingest(archive, target)
    assert not list(tmp_path.glob("*bad.db*"))
    assert str(archive) in str(told.value)
    return str(told.value)


class TestRefusedLines:
    def test_a_bad_one_in_the_middle(self, tmp_path: Path, lines: list[bytes]) -> None:
        lines[99] = b"{}\n"
        assert "line 100: " in refused(tmp_path, lines)

    def test_one_that_is_cut_off(self, tmp_path: Path, lines: list[bytes]) -> None:
        assert f"line {len(lines)}: it is cut off" in refused(
            tmp_path, [*lines[:-1], lines[-1][:-1]]
        )
        assert "line 1: it is cut off" in refused(tmp_path, [lines[0][:20]])

    def test_two_that_changed_places(self, tmp_path: Path, lines: list[bytes]) -> None:
        lines[4], lines[5] = lines[5], lines[4]
        assert "line 5: event 5 of 'free-1' follows event 3" in refused(tmp_path, lines)

    def test_one_that_is_missing(self, tmp_path: Path, lines: list[bytes]) -> None:
        assert "event 5 of 'free-1' follows event 3" in refused(tmp_path, lines[:4] + lines[5:])

    def test_one_that_is_there_twice(self, tmp_path: Path, lines: list[bytes]) -> None:
        told = refused(tmp_path, [lines[0], *lines])
        assert "line 2: position 1 follows position 1" in told

    def test_a_file_that_ends_with_what_was_removed(
        self, tmp_path: Path, lines: list[bytes]
    ) -> None:
        removed = [line.startswith(b'{"scavenged"') for line in lines].index(True)
        assert "ends with a removed event" in refused(tmp_path, lines[: removed + 1])

    def test_a_file_of_another_kind(self, tmp_path: Path) -> None:
        assert "line 1: " in refused(tmp_path, [os.urandom(5000) + b"\n"])
        write_some(tmp_path / "log.db")
        assert "line 1: " in refused(tmp_path, [(tmp_path / "log.db").read_bytes()])


class TestRefusedTables:
    @pytest.fixture
    def table(self, tmp_path: Path) -> Path:
        write_rich(tmp_path / "log.db")
        export_file(tmp_path / "log.db", tmp_path / "log.parquet")
        return tmp_path / "log.parquet"

    def refused(self, table: Path) -> str:
        target = table.with_name("bad.db")
        with pytest.raises(ArchiveInvalid) as told:
            ingest(table, target)
        assert not list(table.parent.glob("*bad.db*"))
        assert str(table) in str(told.value)
        return str(told.value)

    def test_one_that_is_cut_off(self, table: Path) -> None:
        whole = table.read_bytes()
        for length in (0, 3, len(whole) // 2, len(whole) - 1):
            table.write_bytes(whole[:length])
            assert "truncated" in self.refused(table)

    def test_one_that_is_damaged_within(self, table: Path) -> None:
        whole = bytearray(table.read_bytes())
        whole[200:260] = bytes(60)
        table.write_bytes(whole)
        self.refused(table)

    def test_one_without_a_column(self, table: Path) -> None:
        pq.write_table(pq.read_table(table).drop_columns(["data"]), table)
        assert "has no column 'data' of type binary" in self.refused(table)

    def test_a_row_that_lacks_something(self, table: Path) -> None:
        found = pq.read_table(table).to_pylist()
        found[6]["data"] = None
        pq.write_table(pa.Table.from_pylist(found, columns.SCHEMA), table)
        assert "row 7: it has no data" in self.refused(table)

    def test_a_row_that_is_missing(self, table: Path) -> None:
        whole = pq.read_table(table)
        pq.write_table(pa.concat_tables([whole.slice(0, 5), whole.slice(6)]), table)
        assert "row 6: event 6 of 'free-1' follows event 4" in self.refused(table)

    def test_a_number_that_no_log_holds(self, table: Path) -> None:
        found = pq.read_table(table).to_pylist()
        found[-1]["position"] = 2**64 - 1
        pq.write_table(pa.Table.from_pylist(found, columns.SCHEMA), table)
        assert "row 190: its position" in self.refused(table)


class TestRefusedPlaces:
    def test_names_that_tell_no_form(self, tmp_path: Path) -> None:
        write_rich(tmp_path / "log.db")
        for name in ("log", "log.csv", "log.ndjson.gz"):
            with pytest.raises(ArchiveInvalid, match=r"neither \.ndjson nor \.parquet"):
                export_file(tmp_path / "log.db", tmp_path / name)
            with pytest.raises(ArchiveInvalid, match=r"neither \.ndjson nor \.parquet"):
                ingest(tmp_path / name, tmp_path / "copied.db")

    @pytest.mark.parametrize("form", FORMS)
    def test_where_something_stands(self, tmp_path: Path, form: str) -> None:
        write_rich(tmp_path / "log.db")
        file = tmp_path / f"log.{form}"
        export_file(tmp_path / "log.db", file)
        before = file.read_bytes()
        with pytest.raises(StoreExists, match=str(file)):
            export_file(tmp_path / "log.db", file)
        with pytest.raises(StoreExists, match="is there already"):
            ingest(file, tmp_path / "log.db")
        assert file.read_bytes() == before
        assert len(entries(tmp_path / "log.db")) == 190

    @pytest.mark.parametrize("form", FORMS)
    def test_what_is_not_there(self, tmp_path: Path, form: str) -> None:
        with pytest.raises(ArchiveInvalid, match="cannot be read"):
            ingest(tmp_path / f"no.{form}", tmp_path / "copied.db")
        (tmp_path / f"folder.{form}").mkdir()
        with pytest.raises(ArchiveInvalid, match="cannot be read"):
            ingest(tmp_path / f"folder.{form}", tmp_path / "copied.db")
        write_rich(tmp_path / "log.db")
        with pytest.raises(StoreMissing, match="create the folder first"):
            export_file(tmp_path / "log.db", tmp_path / "no" / f"log.{form}")

    @pytest.mark.parametrize("form", FORMS)
    def test_a_full_disk(self, tmp_path: Path, form: str) -> None:
        rng = random.Random(7)
        with SqliteStore.open(tmp_path / "log.db") as store:
            events = [
                NewEvent(rng.randbytes(16), "T", rng.randbytes(2000), b"") for _ in range(300)
            ]
            store.append("a-1", -1, events)
        archive, target = tmp_path / f"log.{form}", tmp_path / "copied.db"
        with file_limit(100_000), pytest.raises(StoreFull, match=f"no space left for {archive} "):
            export_file(tmp_path / "log.db", archive)
        assert not list(tmp_path.glob(f"*{archive.name}*"))
        export_file(tmp_path / "log.db", archive)
        with file_limit(100_000), pytest.raises(StoreFull):
            ingest(archive, target)
        assert not list(tmp_path.glob("*copied*"))

    @pytest.mark.parametrize("form", FORMS)
    def test_an_event_that_no_file_can_hold(self, tmp_path: Path, form: str) -> None:
        write_rich(tmp_path / "log.db")
        edit(tmp_path / "log.db", "UPDATE events SET data = 'text' WHERE position = 9")
        with pytest.raises(StoreDamaged, match=r"event 8 of 'free-1' \(position 9\) is damaged"):
            export_file(tmp_path / "log.db", tmp_path / f"log.{form}")
        assert not list(tmp_path.glob(f"*log.{form}*"))


def test_an_import_is_checked_to_be_sound(tmp_path: Path) -> None:
    write_any(tmp_path / "log.db", seeded())
    export_file(tmp_path / "log.db", tmp_path / "log.ndjson")
    ingest(tmp_path / "log.ndjson", tmp_path / "copied.db")
    assert check(tmp_path / "copied.db").sound
    assert any(isinstance(entry, RecordedEvent) for entry in entries(tmp_path / "copied.db"))
