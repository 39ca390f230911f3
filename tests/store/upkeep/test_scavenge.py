"""A scavenge: what goes, what stays where it was, and what still holds of what is gone."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest

from runtime.errors import (
    EventScavenged,
    StoreForbidden,
    StoreFull,
    StreamDeleted,
    StreamNotFound,
    WrongExpectedVersion,
)
from runtime.events import NewEvent, RecordedEvent, Scavenged, named_id
from runtime.store import TOMBSTONE, Append, Appended, Pruned, SqliteStore, Write
from runtime.store.connection import connect
from runtime.store.pruning import MOST_EVENTS, Prune, prune
from runtime.store.upkeep import check
from tests.store import children
from tests.store.limits import file_limit
from tests.store.samples import event
from tests.store.upkeep.samples import ANY, described, edit, entries, numbered, rows, write_rich
from tests.store.version1 import write_version_1

SECOND = 10**9
WAIT_SECONDS = 60


@pytest.fixture
def rich(path: Path) -> Path:
    write_rich(path)
    return path


def scavenge(path: Path, now: int | None = None) -> Pruned:
    with SqliteStore.open(path) as store:
        return store.scavenge(now)


def kept(path: Path) -> dict[str, list[int]]:
    """The revisions that are left, by stream."""
    found: dict[str, list[int]] = {}
    for entry in entries(path):
        if isinstance(entry, RecordedEvent):
            found.setdefault(entry.stream, []).append(entry.revision)
    return found


class TestWhatGoes:
    def test_all_that_is_hidden_for_good(self, rich: Path) -> None:
        scavenge(rich)
        assert kept(rich) == {
            "free-1": list(range(30)),
            "count-1": [26, 27, 28, 29],
            "tb-1": [25, 26, 27, 28, 29],
            "soft-1": [29],
            "hard-1": [TOMBSTONE],
            "revived-1": [30, 31, 32],
            "$$count-1": [1],
            "$$tb-1": [0],
            "$$soft-1": [0],
            "$$revived-1": [1],
        }

    def test_readers_see_what_they_saw(self, rich: Path) -> None:
        with SqliteStore.open(rich) as store:
            names = ["free-1", "count-1", "tb-1", "revived-1", "$$count-1", "$$revived-1"]
            before = [list(store.read_stream(name)) for name in names]
            backwards = [list(store.read_stream(name, backwards=True)) for name in names]
            standing = [store.revision(name) for name in names], store.end(), store.streams()
            heads = list(store.heads())
            store.scavenge()
            assert [list(store.read_stream(name)) for name in names] == before
            assert [list(store.read_stream(name, backwards=True)) for name in names] == backwards
            after = [store.revision(name) for name in names], store.end(), store.streams()
            assert after == standing
            assert list(store.heads()) == heads
            with pytest.raises(StreamNotFound):
                store.read_stream("soft-1")
            with pytest.raises(StreamDeleted):
                store.read_stream("hard-1")

    def test_what_is_old_but_not_the_last(self, path: Path) -> None:
        with SqliteStore.open(path) as store:
            store.write(Write([described("aged-1", 0, _maxAge=60), numbered("aged-1", 0, 10)]))
        edit(path, f"UPDATE events SET recorded_at = revision * {SECOND}")
        assert scavenge(path, 65 * SECOND).events == 5
        assert kept(path)["aged-1"] == [5, 6, 7, 8, 9]
        assert scavenge(path, 10_000 * SECOND).events == 4
        assert kept(path)["aged-1"] == [9]
        assert check(path).sound

    def test_nothing_where_nothing_is_hidden_and_nothing_twice(self, rich: Path) -> None:
        first = scavenge(rich)
        assert first.events == 26 + 25 + 29 + 30 + 30 + 1 + 1
        assert first.size > 0
        whole = entries(rich)
        assert scavenge(rich) == Pruned(0, 0)
        assert entries(rich) == whole

    def test_not_what_a_run_records_of_itself(self, path: Path) -> None:
        with SqliteStore.open(path) as store:
            store.write(
                Write([numbered("system-run", 0, 10), described("system-run", _maxCount=1)])
            )
            assert store.scavenge() == Pruned(0, 0)

    def test_the_last_metadata_stay_also_under_a_tombstone(self, path: Path) -> None:
        with SqliteStore.open(path) as store:
            store.write(Write([numbered("a-1", 0, 10), described("a-1", _maxCount=2)]))
            store.delete("$$a-1", hard=True)
            store.scavenge()
        assert kept(path) == {"a-1": [8, 9], "$$a-1": [0, TOMBSTONE]}
        assert check(path).sound


class TestWhatStays:
    def test_the_place_the_id_and_no_more(self, rich: Path) -> None:
        before = entries(rich)
        scavenge(rich)
        after = entries(rich)
        assert [(e.position, e.stream, e.revision, e.event_id) for e in after] == [
            (e.position, e.stream, e.revision, e.event_id) for e in before
        ]
        assert {e.digest for e in after if isinstance(e, Scavenged)} == {""}

    def test_numbers_go_on(self, rich: Path) -> None:
        scavenge(rich)
        with SqliteStore.open(rich) as store:
            assert store.append("count-1", 29, [event("next")]) == Appended(30, 191)
            assert store.append("soft-1", ANY, [event("again")]).revision == 30
            with pytest.raises(StreamDeleted):
                store.append("hard-1", ANY, [event("never")])
        assert check(rich).sound

    def test_what_is_sent_again_is_known(self, rich: Path) -> None:
        scavenge(rich)
        with SqliteStore.open(rich) as store:
            end = store.end()
            again = numbered("count-1", 0, 10).events
            assert store.append("count-1", ANY, again) == Appended(9, 20)
            assert store.append("count-1", -1, again) == Appended(9, 20)
            across = numbered("count-1", 24, 4).events
            assert store.append("count-1", 23, across).revision == 27
            with pytest.raises(WrongExpectedVersion):
                store.append("count-1", 5, again)
            assert store.end() == end

    def test_what_is_gone_is_said_to_be(self, rich: Path) -> None:
        scavenge(rich)
        with SqliteStore.open(rich, writer=False) as store:
            assert store.find(named_id("count-1/28")).revision == 28
            with pytest.raises(EventScavenged, match=r"\(3 of 'count-1'\).* was scavenged"):
                store.find(named_id("count-1/3"))

    def test_the_log_skips_it(self, rich: Path) -> None:
        scavenge(rich)
        with SqliteStore.open(rich, writer=False) as store:
            forwards = [one.position for one in store.read_all()]
            assert forwards == sorted(forwards)
            assert [one.position for one in store.read_all(backwards=True)] == forwards[::-1]
            gone = next(one.position for one in entries(rich) if isinstance(one, Scavenged))
            later = next(position for position in forwards if position > gone)
            assert next(store.read_all(gone)).position == later

    def test_the_file_gets_smaller(self, path: Path) -> None:
        with SqliteStore.open(path) as store:
            for batch in range(20):
                events = [event(f"{batch}/{n}", 1000) for n in range(100)]
                store.write(Write([Append("a-1", ANY, events)]))
            store.write(Write([described("a-1", _maxCount=1)]))
        before = path.stat().st_size
        scavenge(path)
        assert path.stat().st_size < before / 3
        assert rows(path, "PRAGMA freelist_count") == [(0,)]


class TestBesideOthers:
    def test_others_write_while_it_goes_on(self, path: Path) -> None:
        streams = [f"a-{n}" for n in range(8)]
        count = MOST_EVENTS
        with SqliteStore.open(path) as store:
            for stream in streams:
                store.write(Write([numbered(stream, 0, count), described(stream, _maxCount=1)]))
            turns: list[int] = []
            begun = threading.Event()
            store.listen(lambda: turns.append(1))
            store.listen(begun.set)
            scavenging = threading.Thread(target=store.scavenge)
            scavenging.start()
            assert begun.wait(WAIT_SECONDS)
            written = 0
            while written == 0 or scavenging.is_alive():
                store.append("other-1", written - 1, [event(f"other {written}")])
                written += 1
            scavenging.join()
            assert len(turns) >= 8
            assert store.revision("other-1") == written - 1
        assert check(path).scavenged == 8 * (count - 1)
        assert check(path).sound

    def test_a_limit_that_is_lifted_before_its_turn_saves_the_events(self, path: Path) -> None:
        with SqliteStore.open(path) as store:
            store.write(Write([numbered("a-1", 0, 9), described("a-1", 0, _maxCount=1)]))
            store.write(Write([described("a-1", 1, owner="desk")]))
        with closing(connect(path, "rw")) as connection:
            assert prune(connection, Prune(("a-1",), 0)) == Pruned(0, 0)

    def test_a_reader_may_not(self, rich: Path) -> None:
        with SqliteStore.open(rich, writer=False) as store, pytest.raises(StoreForbidden):
            store.scavenge()

    def test_killed_in_its_midst_it_leaves_a_sound_store(self, path: Path) -> None:
        with SqliteStore.open(path) as store:
            for n in range(20):
                store.write(Write([numbered(f"a-{n}", 0, 500), described(f"a-{n}", _maxCount=3)]))
        before = entries(path)
        for turns in (1, 4):
            with children.start(children.SCAVENGE, path, str(turns)) as child:
                child.communicate(timeout=WAIT_SECONDS)
            assert check(path).sound
            assert 0 < check(path).scavenged < 20 * 497
        scavenge(path)
        assert check(path).scavenged == 20 * 497
        left = [entry for entry in entries(path) if isinstance(entry, RecordedEvent)]
        assert left == [e for e in before if e.stream.startswith("$$") or e.revision >= 497]

    def test_a_full_disk_stops_it_and_loses_nothing(self, rich: Path) -> None:
        before = kept(rich)
        with SqliteStore.open(rich) as store:
            size = rich.stat().st_size
            with file_limit(size), pytest.raises(StoreFull):
                store.append("big-1", ANY, [NewEvent(bytes(16), "T", bytes(size), b"")])
            with file_limit(1), pytest.raises(StoreFull):
                store.scavenge()
        assert kept(rich) == before
        assert scavenge(rich).events > 0


def test_a_store_of_schema_1_is_scavenged_once_it_is_migrated(path: Path) -> None:
    write_version_1(path)
    with SqliteStore.open(path) as store:
        store.write(Write([described("s-1", _maxCount=2)]))
        assert store.scavenge().events == 18
    assert check(path).sound


def test_a_reader_of_the_store_goes_on_across_a_scavenge(rich: Path) -> None:
    with SqliteStore.open(rich, writer=False) as reader:
        walk = reader.read_stream("tb-1")
        first = next(walk)
        scavenge(rich)
        assert [first.revision, *(one.revision for one in walk)] == [25, 26, 27, 28, 29]


def test_entries_among_large_events_are_all_there(path: Path) -> None:
    """Pages of events end early where they are large; what was removed comes in its place."""
    large = [
        NewEvent(named_id(f"l/{n}"), "Large", b"x" * 700_000, b"", json=False) for n in range(6)
    ]
    with SqliteStore.open(path) as store:
        for number, one in enumerate(large):
            store.append("a-1", ANY, [one])
            store.append("b-1", ANY, [event(f"b{number}")])
        store.write(Write((described("b-1", _maxCount=1),)))
        store.scavenge()
        assert [entry.position for entry in store.entries()] == list(range(1, 14))
        assert [entry.revision for entry in store.entries("b-1")] == list(range(6))
