"""Restoring: the whole log or a prefix of it, with all that holds of it, and runs that go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import PointMissing, StoreDamaged, StoreExists, StoreFull, StreamNotFound
from runtime.events import RecordedEvent, Scavenged
from runtime.jobs.launch import run
from runtime.jobs.verification import verify_store
from runtime.store import Fence, SqliteStore
from runtime.store.upkeep import backup, check, restore
from tests.laws.study import ROOT, arithmetic
from tests.store.limits import file_limit
from tests.store.samples import write_some
from tests.store.upkeep.samples import ANY, edit, entries, numbered, rows, write_any, write_rich
from tests.store.version1 import write_version_1
from tests.support.seeds import seeded


@pytest.fixture
def rich(path: Path) -> Path:
    write_rich(path)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "restored.db"


def visible(path: Path, stream: str) -> list[int]:
    with SqliteStore.open(path, writer=False) as store:
        return [event.revision for event in store.read_stream(stream)]


class TestWhole:
    def test_it_is_the_same_store(self, rich: Path, target: Path) -> None:
        copy = restore(rich, target)
        assert (copy.path, copy.events, copy.position) == (target, 190, 190)
        for table in ("streams", "events", "checkpoints", "snapshots", "snapshot_parts", "fences"):
            assert rows(target, f"SELECT * FROM {table}") == rows(rich, f"SELECT * FROM {table}")

    def test_of_an_older_schema_it_is_migrated_and_the_backup_is_not(
        self, tmp_path: Path, target: Path
    ) -> None:
        old = tmp_path / "old.db"
        write_version_1(old)
        before = old.read_bytes()
        restore(old, target)
        assert old.read_bytes() == before
        assert check(target).sound
        assert entries(target) == entries(old)
        assert rows(target, "PRAGMA auto_vacuum") == [(2,)]

    def test_a_scavenged_store(self, rich: Path, target: Path) -> None:
        with SqliteStore.open(rich) as store:
            store.scavenge()
        restore(rich, target)
        assert entries(target) == entries(rich)


class TestToAPosition:
    @pytest.mark.parametrize("position", [1, 60, 61, 180, 181, 182, 183, 184, 185, 186, 189])
    def test_it_is_a_prefix_of_the_log(self, rich: Path, target: Path, position: int) -> None:
        assert restore(rich, target, position=position).position == position
        assert entries(target) == entries(rich)[:position]
        assert check(target).sound

    def test_limits_are_those_of_the_time(self, rich: Path, target: Path, tmp_path: Path) -> None:
        restore(rich, target, position=181)
        assert visible(target, "count-1") == list(range(23, 30))
        assert visible(target, "soft-1") == list(range(30))
        restore(rich, tmp_path / "later.db", position=184)
        assert visible(tmp_path / "later.db", "count-1") == list(range(26, 30))
        with pytest.raises(StreamNotFound):
            visible(tmp_path / "later.db", "soft-1")

    def test_the_log_goes_on_from_there(self, rich: Path, target: Path) -> None:
        restore(rich, target, position=100)
        with SqliteStore.open(target) as store:
            last = store.revision("revived-1")
            assert store.append("revived-1", last, numbered("x", 0, 1).events).position == 101
            assert store.append("hard-1", ANY, numbered("y", 0, 1).events).position == 102

    def test_what_stands_beside_the_log_is_dropped_but_no_fence(
        self, rich: Path, target: Path
    ) -> None:
        restore(rich, target, position=100)
        with SqliteStore.open(target) as store:
            assert store.checkpoint("run/a") is None
            assert store.snapshot("run/a") is None
            assert store.claim("run") == Fence("run", 3)

    def test_a_stream_of_later_has_never_been(self, rich: Path, target: Path) -> None:
        restore(rich, target, position=20)
        assert rows(target, "SELECT name FROM streams ORDER BY name") == [("count-1",), ("free-1",)]

    def test_position_0_is_an_empty_log(self, rich: Path, target: Path) -> None:
        assert restore(rich, target, position=0).events == 0
        with SqliteStore.open(target) as store:
            assert (store.end(), store.streams()) == (-1, [])

    def test_it_takes_no_more_room_than_it_needs(self, path: Path, target: Path) -> None:
        write_some(path, 3000)
        restore(path, target, position=30)
        assert target.stat().st_size < 120_000 < path.stat().st_size

    @pytest.mark.parametrize("position", [-1, 191, 2**63 - 1])
    def test_a_position_that_is_not_there(self, rich: Path, target: Path, position: int) -> None:
        with pytest.raises(PointMissing, match=f"no position {position}: it ends at 190"):
            restore(rich, target, position=position)
        assert not target.exists()

    def test_a_position_whose_events_were_scavenged(self, rich: Path, target: Path) -> None:
        with SqliteStore.open(rich) as store:
            store.scavenge()
        with pytest.raises(PointMissing, match=r"held at position 100 was scavenged"):
            restore(rich, target, position=100)
        assert not target.exists()


@pytest.mark.parametrize("case", range(3))
def test_any_log_is_cut_where_one_likes_or_it_is_said_why_not(tmp_path: Path, case: int) -> None:
    rng = seeded(case)
    path = tmp_path / "log.db"
    write_any(path, rng, scavenges=case == 2)
    log = entries(path)
    for number in range(6):
        target = tmp_path / f"{number}.db"
        position = log[rng.randrange(len(log))].position
        before = [entry for entry in log if entry.position <= position]
        last = {entry.stream: entry for entry in before}
        if any(isinstance(entry, Scavenged) for entry in last.values()):
            with pytest.raises(PointMissing, match="was scavenged since"):
                restore(path, target, position=position)
            continue
        restore(path, target, position=position)
        assert entries(target) == before
        assert check(target).sound


class TestToATime:
    def test_up_to_the_first_event_that_is_later(self, rich: Path, target: Path) -> None:
        edit(rich, "UPDATE events SET recorded_at = 1000 + position / 10 * 10")
        edit(rich, "UPDATE events SET recorded_at = 1000 WHERE position = 150")  # a clock set back
        restore(rich, target, time=1099)
        assert entries(target) == entries(rich)[:99]

    def test_of_a_time_and_a_position_the_earlier(self, rich: Path, tmp_path: Path) -> None:
        edit(rich, "UPDATE events SET recorded_at = 1000 + position")
        for number, (position, time, end) in enumerate([(50, 1099, 50), (150, 1099, 99)]):
            made = restore(rich, tmp_path / f"{number}.db", position=position, time=time)
            assert made.position == end

    def test_a_later_time_is_the_whole_log(self, rich: Path, target: Path) -> None:
        assert restore(rich, target, time=2**63 - 1).events == 190

    def test_a_time_before_the_first_event(self, rich: Path, target: Path) -> None:
        with pytest.raises(PointMissing, match="nothing as old as 1970-01-01T00:00:00"):
            restore(rich, target, time=5)


class TestRefused:
    def test_where_something_stands(self, rich: Path, target: Path) -> None:
        target.write_bytes(b"precious")
        for place in (target, rich):
            with pytest.raises(StoreExists, match=str(place)):
                restore(rich, place)
        assert target.read_bytes() == b"precious"

    def test_a_damaged_backup(self, rich: Path, target: Path) -> None:
        edit(rich, "DELETE FROM events WHERE position = 40")
        with pytest.raises(StoreDamaged, match=f"{rich} is not sound: .*events were lost"):
            restore(rich, target)
        assert not target.exists()

    def test_a_backup_with_a_corrupted_page(self, path: Path, target: Path) -> None:
        write_some(path, 2000)
        whole = bytearray(path.read_bytes())
        middle = len(whole) // 2 // 4096 * 4096
        whole[middle : middle + 4096] = b"\xa5" * 4096
        path.write_bytes(whole)
        with pytest.raises(StoreDamaged, match=str(path)):
            restore(path, target, position=10)
        assert not target.exists()

    def test_a_full_disk(self, path: Path, target: Path) -> None:
        write_some(path)
        with file_limit(100_000), pytest.raises(StoreFull):
            restore(path, target, position=290)
        assert not list(path.parent.glob(f"*{target.name}*"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a finished run that took snapshots on its way."""
    path = tmp_path_factory.mktemp("study") / "run.db"
    assert run(arithmetic(path, snapshot_events=2_000)).root == ROOT
    return path


@pytest.mark.parametrize("case", range(3))
def test_a_run_restored_to_its_middle_goes_on_to_the_same_root(
    finished: Path, tmp_path: Path, case: int
) -> None:
    store = tmp_path / "restored.db"
    log = entries(finished)
    position = seeded(case).randrange(1, len(log))
    restore(finished, store, position=position)
    assert not verify_store(store).damages
    assert run(arithmetic(store)).root == ROOT
    assert not verify_store(store, root=ROOT).damages
    kept = entries(store)
    assert kept[:position] == log[:position]
    decided = [{(e.stream, e.revision, e.data) for e in of if is_decision(e)} for of in (kept, log)]
    assert decided[0] == decided[1]


def test_a_backup_of_a_run_goes_on_from_its_snapshots(finished: Path, tmp_path: Path) -> None:
    backup(finished, tmp_path / "backup.db")
    restore(tmp_path / "backup.db", tmp_path / "restored.db")
    assert run(arithmetic(tmp_path / "restored.db")).root == ROOT
    assert rows(tmp_path / "restored.db", "SELECT count(*) FROM snapshot_parts")[0][0]


def is_decision(entry: object) -> bool:
    return isinstance(entry, RecordedEvent) and entry.stream.startswith("agent-")
