"""What any `EventStore` must do with snapshots that are written part by part."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from runtime.errors import WrongExpectedVersion
from runtime.store import Append, EventStore, Expected, Snapshot, Write
from tests.conformance.samples import events
from tests.support.seeds import seeded

JOIN_SECONDS = 20


def put(store: EventStore, *snapshots: Snapshot) -> None:
    store.write(Write(snapshots=snapshots))


class TestSnapshot:
    def test_what_was_stored_is_read(self, store: EventStore) -> None:
        parts = {255: b"", 0: b"\x00\xff" * 5000, 7: b"seven", -1: b"x", 2**40: b"y"}
        put(store, Snapshot("rün/\U0001f642", '{"at":1}', parts))
        assert store.snapshot("rün/\U0001f642") == Snapshot("rün/\U0001f642", '{"at":1}', parts)
        assert store.snapshot("run") is None

    def test_parts_that_are_not_mentioned_stay(self, store: EventStore) -> None:
        put(store, Snapshot("a", "1", {1: b"x", 2: b"y"}))
        put(store, Snapshot("a", "2", {2: b"", 3: b"w"}))
        assert store.snapshot("a") == Snapshot("a", "2", {1: b"x", 2: b"", 3: b"w"})
        put(store, Snapshot("a", "3", {}))
        assert store.snapshot("a") == Snapshot("a", "3", {1: b"x", 2: b"", 3: b"w"})

    def test_a_whole_one_removes_all_older_parts(self, store: EventStore) -> None:
        put(store, Snapshot("a", "1", {1: b"x", 2: b"y"}, whole=True))
        put(store, Snapshot("a", "2", {2: b"z", 3: b"w"}, whole=True))
        assert store.snapshot("a") == Snapshot("a", "2", {2: b"z", 3: b"w"})
        put(store, Snapshot("a", "3", {}, whole=True))
        assert store.snapshot("a") == Snapshot("a", "3", {})

    def test_snapshots_of_other_names_are_left_alone(self, store: EventStore) -> None:
        put(store, Snapshot("a", "1", {1: b"x"}), Snapshot("b", "2", {1: b"y"}))
        put(store, Snapshot("a", "3", {2: b"z"}, whole=True))
        assert store.snapshot("b") == Snapshot("b", "2", {1: b"y"})

    def test_several_of_a_name_in_one_write_are_taken_in_order(self, store: EventStore) -> None:
        put(
            store,
            Snapshot("a", "1", {1: b"x", 2: b"x"}),
            Snapshot("a", "2", {1: b"y"}, whole=True),
            Snapshot("a", "3", {3: b"z"}),
        )
        assert store.snapshot("a") == Snapshot("a", "3", {1: b"y", 3: b"z"})

    def test_only_the_groups_asked_for_are_read(self, store: EventStore) -> None:
        put(store, Snapshot("a", "1", {1: b"x", 2: b"y", 3: b"z"}))
        put(store, Snapshot("a", "2", {3: b"w"}))
        assert store.snapshot("a", {1, 3}) == Snapshot("a", "2", {1: b"x", 3: b"w"})
        assert store.snapshot("a", range(2, 256)) == Snapshot("a", "2", {2: b"y", 3: b"w"})
        assert store.snapshot("a", [9]) == Snapshot("a", "2", {})
        assert store.snapshot("a", ()) == Snapshot("a", "2", {})
        assert store.snapshot("b", [1]) is None

    def test_nothing_of_a_refused_write_is_stored(self, store: EventStore) -> None:
        put(store, Snapshot("a", "1", {1: b"x"}))
        refused = [Append("s-1", Expected.EXISTS, events("a"))]
        with pytest.raises(WrongExpectedVersion):
            store.write(Write(refused, snapshots=[Snapshot("a", "2", {2: b"y"}, whole=True)]))
        assert store.snapshot("a") == Snapshot("a", "1", {1: b"x"})


def test_any_order_of_increments_is_the_same_as_a_dictionary(
    reopen: Callable[[], EventStore],
) -> None:
    random = seeded()
    store, model = reopen(), dict[int, bytes]()
    for step in range(60):
        parts = {random.randrange(20): random.randbytes(random.randrange(9)) for _ in range(4)}
        whole = random.random() < 0.1
        put(store, Snapshot("a", str(step), parts, whole))
        model = parts if whole else model | parts
        if random.random() < 0.1:
            store = reopen()
        groups = set(random.sample(range(20), 7))
        wanted = {group: model[group] for group in groups & model.keys()}
        assert store.snapshot("a") == Snapshot("a", str(step), model)
        assert store.snapshot("a", groups) == Snapshot("a", str(step), wanted)


def test_a_reader_sees_header_and_parts_of_one_moment(store: EventStore) -> None:
    put(store, Snapshot("a", "0", dict.fromkeys(range(32), b"0")))
    done = Event()

    def read() -> int:
        last = 0
        while not done.is_set():
            found = store.snapshot("a")
            assert found is not None
            assert set(found.parts.values()) == {found.cursor.encode()}
            assert int(found.cursor) >= last
            last = int(found.cursor)
        return last

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        for step in range(1, 60):
            state = str(step).encode()
            whole = step % 3 == 0
            put(store, Snapshot("a", str(step), dict.fromkeys(range(32), state), whole))
        done.set()
        assert all(reader.result(JOIN_SECONDS) < 60 for reader in readers)
