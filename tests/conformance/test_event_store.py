"""What writing to any `EventStore` must do, said through the port alone."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from runtime.errors import StoreError, WrongExpectedVersion
from runtime.events import NewEvent, RecordedEvent, named_id
from runtime.store import (
    Append,
    Appended,
    Checkpoint,
    EventStore,
    Expected,
    Snapshot,
    Write,
)
from tests.conformance.samples import before_and_after, event, events, ids, names

ANY, NO_STREAM, EXISTS = Expected.ANY, Expected.NO_STREAM, Expected.EXISTS
JOIN_SECONDS = 20


class TestAppend:
    def test_a_new_stream_begins_at_revision_0(self, store: EventStore) -> None:
        assert store.end() == -1
        assert store.revision("s-1") == -1
        first = store.append("s-1", NO_STREAM, events("abc"))
        second = store.append("s-2", NO_STREAM, events("d"))
        assert first.revision == 2
        assert second == Appended(0, store.end())
        assert second.position > first.position > 0
        assert store.revision("s-1") == 2

    def test_every_field_is_given_back(self, store: EventStore) -> None:
        odd = NewEvent(bytes(range(16)), "Übrig", b"\x00\xff", b"")
        answer = store.append("s-é\U0001f642", NO_STREAM, [odd])
        (found,) = store.read_stream("s-é\U0001f642")
        assert found.recorded_at > 1_600_000_000 * 10**9
        assert found == RecordedEvent(
            answer.position,
            "s-é\U0001f642",
            0,
            odd.event_id,
            odd.type,
            odd.data,
            odd.metadata,
            found.recorded_at,
        )

    @pytest.mark.parametrize("expected", [-1, NO_STREAM, ANY])
    def test_a_new_stream_is_expected(self, store: EventStore, expected: int | Expected) -> None:
        assert store.append("s-1", expected, events("ab")).revision == 1

    @pytest.mark.parametrize("expected", [1, EXISTS, ANY])
    def test_a_written_stream_is_expected(
        self, store: EventStore, expected: int | Expected
    ) -> None:
        store.append("s-1", NO_STREAM, events("ab"))
        assert store.append("s-1", expected, events("c")).revision == 2

    @pytest.mark.parametrize("expected", [0, 2, 2**70, -2, -(2**70), NO_STREAM, -1])
    def test_a_stream_elsewhere_is_refused_by_name(
        self, store: EventStore, expected: int | Expected
    ) -> None:
        end = store.append("s-1", NO_STREAM, events("ab")).position
        with pytest.raises(WrongExpectedVersion, match=r"'s-1' is at revision 1.*read"):
            store.append("s-1", expected, events("c"))
        assert (store.end(), store.revision("s-1")) == (end, 1)

    @pytest.mark.parametrize("expected", [0, -2, EXISTS])
    def test_a_missing_stream_is_refused(self, store: EventStore, expected: int | Expected) -> None:
        with pytest.raises(WrongExpectedVersion, match="'s-1' does not exist"):
            store.append("s-1", expected, events("a"))
        assert store.streams() == []

    def test_the_same_id_twice_in_a_batch_is_two_events(self, store: EventStore) -> None:
        answer = store.append("s-1", ANY, events("aba"))
        assert ids(store.read_stream("s-1")) == names("aba")
        assert store.append("s-1", ANY, events("aba")) == answer
        assert store.append("s-1", NO_STREAM, events("aba")) == answer

    def test_the_same_id_in_another_stream_is_a_new_event(self, store: EventStore) -> None:
        for expected in (ANY, NO_STREAM):
            for stream in ("x", "y"):
                store.append(f"{stream}-{expected.name}", expected, events("a"))
        assert ids(store.read_all()) == names("aaaa")

    def test_an_empty_append_checks_and_stores_nothing(self, store: EventStore) -> None:
        assert store.append("s-1", NO_STREAM, []) == Appended(-1, 0)
        assert store.append("s-1", ANY, []) == Appended(-1, 0)
        assert store.streams() == []
        store.append("s-1", ANY, events("ab"))
        for expected in (1, ANY, EXISTS):
            assert store.append("s-1", expected, []) == Appended(1, 0)
        for expected in (0, 2, NO_STREAM):
            with pytest.raises(WrongExpectedVersion):
                store.append("s-1", expected, [])


class TestIdempotence:
    @pytest.mark.parametrize("expected", [2, ANY, EXISTS])
    def test_a_batch_sent_again_gets_its_first_answer(
        self, store: EventStore, expected: int | Expected
    ) -> None:
        store.append("s-1", NO_STREAM, events("abc"))
        answer = store.append("s-1", expected, events("de"))
        assert store.append("s-1", expected, events("de")) == answer
        store.append("s-1", 4, events("fgh"))
        assert store.append("s-1", expected, events("de")) == answer
        assert store.append("s-1", expected, events("d")).revision == 3
        assert ids(store.read_all()) == names("abcdefgh")

    def test_another_body_under_a_known_id_is_ignored(self, store: EventStore) -> None:
        answer = store.append("s-1", NO_STREAM, events("a"))
        other = NewEvent(named_id("a"), "Other", b"other", b"other")
        assert store.append("s-1", NO_STREAM, [other]) == answer
        assert next(store.read_stream("s-1")).type == "PriceObserved"

    @pytest.mark.parametrize("batch", ["bcx", "bcdx", "xcd", "cd", "x"])
    def test_an_exact_place_must_hold_the_whole_batch(self, store: EventStore, batch: str) -> None:
        store.append("s-1", NO_STREAM, events("abcd"))
        with pytest.raises(WrongExpectedVersion):
            store.append("s-1", 0, events(batch))
        assert store.revision("s-1") == 3

    @pytest.mark.parametrize("expected", [ANY, EXISTS])
    def test_a_known_first_id_forbids_unknown_ones(
        self, store: EventStore, expected: Expected
    ) -> None:
        store.append("s-1", NO_STREAM, events("abcd"))
        with pytest.raises(WrongExpectedVersion, match="'s-1' is at revision 3"):
            store.append("s-1", expected, events("bx"))
        assert store.append("s-1", expected, events("db")).revision == 1
        assert store.append("s-1", expected, events("xb")).revision == 5

    def test_any_history_can_be_sent_again(self, store: EventStore) -> None:
        random = Random(20240607)
        sent: list[tuple[Append, Appended]] = []
        for number in range(60):
            stream = f"s-{random.randrange(4)}"
            expected = random.choice([ANY, store.revision(stream)])
            batch = [event(f"{number}/{i}") for i in range(random.randrange(1, 6))]
            append = Append(stream, expected, batch)
            sent.append((append, store.append(stream, expected, batch)))
        end = store.end()
        random.shuffle(sent)
        assert store.write(Write([append for append, _ in sent])) == [it for _, it in sent]
        assert store.end() == end


class TestWrite:
    def test_all_of_it_is_stored_in_order(self, store: EventStore) -> None:
        answers = store.write(
            Write(
                [
                    Append("s-1", NO_STREAM, events("ab")),
                    Append("s-2", ANY, events("c")),
                    Append("s-1", 1, events("d")),
                    Append("s-1", ANY, events("ab")),
                    Append("s-3", NO_STREAM, []),
                ],
                [Checkpoint("run", '{"at":1}')],
                [Snapshot("run", '{"at":1}', {7: b"seven"})],
            )
        )
        assert [answer.revision for answer in answers] == [1, 0, 2, 1, -1]
        assert answers[3] == Appended(1, answers[0].position)
        assert ids(store.read_all()) == names("abcd")
        assert store.checkpoint("run") == '{"at":1}'
        assert store.snapshot("run") == Snapshot("run", '{"at":1}', {7: b"seven"})

    def test_nothing_of_it_is_stored_when_one_append_is_refused(self, store: EventStore) -> None:
        store.append("s-1", NO_STREAM, events("a"))
        end = store.end()
        with pytest.raises(WrongExpectedVersion, match="'s-1'"):
            store.write(
                Write(
                    [
                        Append("s-2", NO_STREAM, events("b")),
                        Append("s-2", ANY, events("b")),
                        Append("s-1", NO_STREAM, events("c")),
                    ],
                    [Checkpoint("run", "1")],
                    [Snapshot("run", "1", {})],
                )
            )
        assert (store.end(), store.streams()) == (end, ["s-1"])
        assert (store.checkpoint("run"), store.snapshot("run")) == (None, None)
        assert store.append("s-2", NO_STREAM, events("b")).revision == 0

    def test_an_empty_write_does_nothing(self, store: EventStore) -> None:
        assert store.write(Write()) == []
        assert store.end() == -1

    def test_a_checkpoint_replaces_the_one_of_its_name(self, store: EventStore) -> None:
        store.write(Write(checkpoints=[Checkpoint("a", "1"), Checkpoint("b", "2")]))
        store.write(Write(checkpoints=[Checkpoint("a", "3")]))
        assert [store.checkpoint(name) for name in "abc"] == ["3", "2", None]


class TestThreads:
    def test_writers_share_transactions_and_keep_their_own_errors(self, store: EventStore) -> None:
        def work(number: int) -> tuple[list[int], int]:
            done, refused = [], 0
            for step in range(25):
                batch = [event(f"{number}/{step}/{i}") for i in range(2)]
                done.append(store.append(f"own-{number}", 2 * step - 1, batch).revision)
                mixed = [
                    Append(f"lost-{number}", ANY, batch),
                    Append("contested", step - 1, [event(f"{number}/{step}")]),
                ]
                try:
                    store.write(Write(mixed))
                except WrongExpectedVersion:
                    refused += 1
            return done, refused

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(work, range(8)))
        assert [done for done, _ in results] == [list(range(1, 50, 2))] * 8
        won = 8 * 25 - sum(refused for _, refused in results)
        assert store.revision("contested") + 1 == won
        lost = sum(store.revision(name) + 1 for name in store.streams("lost-"))
        assert lost == 2 * won
        whole = list(store.read_all())
        assert len({item.position for item in whole}) == len(whole) == 8 * 50 + 3 * won

    def test_readers_never_see_half_an_append(self, store: EventStore) -> None:
        done = threading.Event()

        def read() -> int:
            most = 0
            while not done.is_set():
                counts = Counter(item.stream for item in store.read_all())
                assert {count % 3 for count in counts.values()} <= {0}
                most = max(most, counts["s-1"])
            return most

        with ThreadPoolExecutor(3) as pool:
            readers = [pool.submit(read) for _ in range(3)]
            for step in range(60):
                batch = [event(f"{step}/{i}") for i in range(3)]
                store.write(Write([Append("s-1", ANY, batch), Append("s-2", ANY, batch)]))
            done.set()
            assert all(reader.result(JOIN_SECONDS) <= 180 for reader in readers)


class TestClose:
    def test_a_closed_store_refuses_and_may_be_closed_again(self, store: EventStore) -> None:
        store.append("s-1", ANY, events("a"))
        store.close()
        store.close()
        with pytest.raises(StoreError, match="closed"):
            store.append("s-1", ANY, events("b"))
        with pytest.raises(StoreError, match="closed"):
            store.claim("run")
        with pytest.raises(StoreError, match="closed"):
            store.end()
        with pytest.raises(StoreError, match="closed"):
            store.read_all()

    def test_what_cannot_be_stored_harms_nothing(self, store: EventStore) -> None:
        with pytest.raises(StoreError):
            store.append("s-\ud800", ANY, events("a"))
        with pytest.raises(StoreError):
            store.claim("\ud800")
        with pytest.raises(StoreError):
            store.write(Write(snapshots=[Snapshot("a", "\ud800", {})]))
        assert store.append("s-1", NO_STREAM, events("a")).revision == 0


def test_what_is_declared_json_is_told_apart(
    store: EventStore, reopen: Callable[[], EventStore]
) -> None:
    binary = NewEvent(named_id("b"), "Raw", b"\x00\xff", b"", json=False)
    store.append("s-1", Expected.ANY, [event("a"), binary])
    for opened in before_and_after(store, reopen):
        assert [found.json for found in opened.read_stream("s-1")] == [True, False]
        assert [found.json for found in opened.read_all()] == [True, False]
