"""Checking a store: what is sound is told to be, and every kind of damage is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runtime.errors import StoreDamaged, StoreMissing, StoreTooNew
from runtime.store import SqliteStore
from runtime.store.upkeep import check
from runtime.store.upkeep.check import require_sound
from runtime.store.upkeep.findings import MOST_FINDINGS
from tests.store.samples import write_some
from tests.store.upkeep.samples import edit, numbered, write_rich
from tests.store.version1 import write_version_1

AT = "(SELECT id FROM streams WHERE name = '{}')"


@pytest.fixture
def rich(path: Path) -> Path:
    write_rich(path)
    return path


def told(path: Path) -> list[str]:
    return [str(finding) for finding in check(path).findings]


class TestSound:
    def test_a_store_with_everything_in_it(self, rich: Path) -> None:
        checkup = check(rich)
        assert (checkup.findings, checkup.more) == ((), 0)
        assert (checkup.events, checkup.scavenged, checkup.position) == (190, 0, 190)

    def test_a_scavenged_store(self, rich: Path) -> None:
        with SqliteStore.open(rich) as store:
            pruned = store.scavenge()
        checkup = check(rich)
        assert checkup.findings == ()
        assert (checkup.events, checkup.scavenged) == (190 - pruned.events, pruned.events)

    def test_an_empty_store_and_one_of_schema_1(self, path: Path, tmp_path: Path) -> None:
        SqliteStore.open(path).close()
        assert check(path).findings == ()
        write_version_1(tmp_path / "old.db")
        assert (check(tmp_path / "old.db").findings, check(tmp_path / "old.db").schema) == ((), 1)

    def test_while_a_writer_is_at_work(self, rich: Path) -> None:
        with SqliteStore.open(rich) as store:
            store.append("new-1", -1, numbered("new-1", 0, 5).events)
            assert check(rich).findings == ()
            assert check(rich).events == 195


DAMAGES = {
    "a lost event": (
        f"DELETE FROM events WHERE stream = {AT.format('free-1')} AND revision = 7",
        r"free-1 \(position 9\): event 8 follows event 6: events were lost",
    ),
    "a lost beginning": (
        f"DELETE FROM events WHERE stream = {AT.format('free-1')} AND revision < 2",
        r"free-1 \(position 3\): it begins with event 2: events were lost",
    ),
    "another order": (
        "UPDATE events SET position = 900 WHERE position = 3",
        r"free-1 \(position 4\): event 3 stands before event 2 \(position 900\) in the log",
    ),
    "a short id": (
        "UPDATE events SET event_id = x'0102' WHERE position = 5",
        r"free-1 \(position 5\): event 4: its id is not of 16 bytes",
    ),
    "no type": (
        "UPDATE events SET type = '' WHERE position = 5",
        r"free-1 \(position 5\): event 4: it has no type",
    ),
    "data that are text": (
        "UPDATE events SET data = 'text' WHERE position = 5",
        r"free-1 \(position 5\): event 4: its data are not bytes",
    ),
    "an event of no stream": (
        "UPDATE events SET stream = 99 WHERE position = 190",
        r"table events \(position 190\): row 190 refers to streams, which has no such row",
    ),
    "a loosened limit": (
        "UPDATE streams SET max_count = 9 WHERE name = 'count-1'",
        r"count-1 \(position 182\): it is under Policy\(.*max_count=9.*set Policy\(.*max_count=4",
    ),
    "a hidden stream": (
        "UPDATE streams SET truncate_before = 30 WHERE name = 'free-1'",
        r"free-1: it is under Policy\(truncate_before=30.*, but has no metadata",
    ),
    "an altered snapshot": (
        "UPDATE snapshot_parts SET state = x'00' WHERE key_group = 7",
        r"snapshot run/a: .*the state of key group 7",
    ),
    "a lost part": (
        "DELETE FROM snapshot_parts WHERE key_group = 7",
        r"snapshot run/a: .*parts were removed",
    ),
    "a torn checkpoint": (
        "UPDATE checkpoints SET cursor = '{\"at\":'",
        r"checkpoint run/a: its cursor is not JSON",
    ),
    "a fence that is no number": (
        "UPDATE fences SET epoch = 'x'",
        r"fence run: its epoch is not a number",
    ),
}


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_damage_is_named_with_its_place(rich: Path, damage: str) -> None:
    statement, said = DAMAGES[damage]
    edit(rich, statement)
    assert any(re.match(said, line) for line in told(rich)), told(rich)


def test_what_is_lost_of_a_scavenged_stream_is_found(rich: Path) -> None:
    with SqliteStore.open(rich) as store:
        store.scavenge()
    edit(rich, f"DELETE FROM scavenged WHERE stream = {AT.format('count-1')} AND revision = 3")
    assert told(rich) == ["count-1 (position 15): event 4 follows event 2: events were lost"]
    edit(rich, f"DELETE FROM events WHERE stream = {AT.format('soft-1')}")
    assert any("soft-1" in one and "which no scavenge removes" in one for one in told(rich))


def test_findings_are_bounded(rich: Path) -> None:
    edit(rich, "UPDATE events SET type = ''")
    checkup = check(rich)
    assert len(checkup.findings) == MOST_FINDINGS
    assert checkup.more == 190 - MOST_FINDINGS + 1  # and the tombstone's type


def test_a_corrupted_page_is_found(path: Path) -> None:
    write_some(path, 2000)
    whole = bytearray(path.read_bytes())
    middle = len(whole) // 2 // 4096 * 4096
    whole[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(whole)
    with pytest.raises(StoreDamaged, match=str(path)):
        require_sound(path, path)


def test_what_is_no_store(path: Path, tmp_path: Path) -> None:
    for place in (path, tmp_path):
        with pytest.raises(StoreMissing, match=str(place)):
            check(place)
    path.write_bytes(b"no store" * 1000)
    with pytest.raises(StoreDamaged, match=str(path)):
        check(path)


def test_a_newer_schema(rich: Path) -> None:
    edit(rich, "PRAGMA user_version = 99")
    with pytest.raises(StoreTooNew, match=r"written by a newer Lucent \(schema 99"):
        check(rich)
