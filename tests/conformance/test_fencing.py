"""What any `EventStore` must do so that only the last to claim a name writes under it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from runtime.errors import Fenced, WrongExpectedVersion
from runtime.store import Append, Checkpoint, EventStore, Expected, Fence, Snapshot, Write
from tests.conformance.samples import event, events, ids, names

ANY, NO_STREAM = Expected.ANY, Expected.NO_STREAM
THREADS = 8
WAIT_SECONDS = 20


def one(name: str, fence: Fence | None, stream: str = "s-1") -> Write:
    return Write([Append(stream, ANY, [event(name)])], fence=fence)


def refused(store: EventStore, write: Write) -> bool:
    try:
        store.write(write)
    except Fenced:
        return True
    return False


class TestClaim:
    def test_every_claim_of_a_name_raises_its_epoch_by_one(self, store: EventStore) -> None:
        claims = [store.claim(name) for name in ("run", "run", "other", "run")]
        assert claims == [Fence("run", 1), Fence("run", 2), Fence("other", 1), Fence("run", 3)]
        assert store.end() == -1

    def test_an_epoch_outlives_the_store_that_was_open(
        self, reopen: Callable[[], EventStore]
    ) -> None:
        first = reopen().claim("run")
        store = reopen()
        assert store.write(one("a", first))[0].revision == 0
        assert store.claim("run") == Fence("run", 2)
        store = reopen()
        with pytest.raises(Fenced):
            store.write(one("b", first))
        assert store.write(one("b", Fence("run", 2)))[0].revision == 1

    def test_claims_of_many_threads_are_all_different(self, store: EventStore) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            claims = list(pool.map(lambda _: store.claim("run"), range(200)))
        assert sorted(claim.epoch for claim in claims) == list(range(1, 201))


class TestFence:
    def test_the_last_claim_writes_all_there_is_to_write(self, store: EventStore) -> None:
        fence = store.claim("run")
        answers = store.write(
            Write(
                [Append("s-1", NO_STREAM, events("ab"))],
                [Checkpoint("run", "1")],
                [Snapshot("run", "1", {1: b"x"})],
                fence,
            )
        )
        assert answers[0].revision == 1
        assert store.checkpoint("run") == "1"
        assert store.snapshot("run") == Snapshot("run", "1", {1: b"x"})

    def test_a_zombie_is_told_who_it_is_and_stores_nothing(self, store: EventStore) -> None:
        old, new = store.claim("run"), store.claim("run")
        store.write(one("a", new))
        end = store.end()
        told = "'run' writes under epoch 1, but its current epoch is 2: another process .* nothing"
        zombie = Write(
            [Append("s-2", ANY, events("b"))],
            [Checkpoint("run", "1")],
            [Snapshot("run", "1", {1: b"x"})],
            old,
        )
        with pytest.raises(Fenced, match=told):
            store.write(zombie)
        assert (store.end(), store.streams()) == (end, ["s-1"])
        assert (store.checkpoint("run"), store.snapshot("run")) == (None, None)

    def test_what_a_zombie_stored_before_is_refused_when_sent_again(
        self, store: EventStore
    ) -> None:
        old = store.claim("run")
        store.write(one("a", old))
        store.claim("run")
        with pytest.raises(Fenced):
            store.write(one("a", old))

    def test_a_fence_is_judged_before_the_streams(self, store: EventStore) -> None:
        old, new = store.claim("run"), store.claim("run")
        missing = [Append("s-1", Expected.EXISTS, events("a"))]
        with pytest.raises(Fenced):
            store.write(Write(missing, fence=old))
        with pytest.raises(WrongExpectedVersion):
            store.write(Write(missing, fence=new))

    def test_a_write_of_nothing_tells_whether_the_fence_is_good(self, store: EventStore) -> None:
        old, new = store.claim("run"), store.claim("run")
        assert store.write(Write(fence=new)) == []
        with pytest.raises(Fenced):
            store.write(Write(fence=old))

    def test_a_name_never_claimed_is_refused(self, store: EventStore) -> None:
        store.claim("other")
        for epoch in (0, 1):
            with pytest.raises(Fenced, match=f"'run' writes under epoch {epoch}.*never claimed"):
                store.write(one("a", Fence("run", epoch)))
        assert store.end() == -1

    @pytest.mark.parametrize("epoch", [2, 2**70])
    def test_an_epoch_to_come_is_refused(self, store: EventStore, epoch: int) -> None:
        store.claim("run")
        with pytest.raises(Fenced, match=r"stands at 1.*an older copy"):
            store.write(one("a", Fence("run", epoch)))
        assert store.end() == -1

    def test_names_do_not_hinder_each_other(self, store: EventStore) -> None:
        fence = store.claim("run")
        for name in ("other", "run/stage", "Run", ""):
            store.claim(name)
        assert store.write(one("a", fence))[0].revision == 0
        assert store.append("s-1", ANY, events("b")).revision == 1


class TestZombies:
    def test_a_thousand_writes_of_zombies_leave_the_log_as_it_is(self, store: EventStore) -> None:
        old = store.claim("run")
        store.write(one("a", old))
        store.claim("run")
        log = list(store.read_all())
        with ThreadPoolExecutor(THREADS) as pool:
            told = list(pool.map(lambda n: refused(store, one(str(n), old)), range(1000)))
        assert told == [True] * 1000
        assert list(store.read_all()) == log

    def test_an_old_and_a_new_fence_in_turns(self, store: EventStore) -> None:
        old, new = store.claim("run"), store.claim("run")
        together = Barrier(2, timeout=WAIT_SECONDS)

        def work(fence: Fence) -> list[bool]:
            told = []
            for step in range(200):
                together.wait()
                told.append(refused(store, one(f"{fence.epoch}/{step}", fence)))
            return told

        with ThreadPoolExecutor(2) as pool:
            zombie, heir = pool.map(work, (old, new))
        assert zombie == [True] * 200
        assert heir == [False] * 200
        assert ids(store.read_stream("s-1")) == names([f"2/{step}" for step in range(200)])

    def test_a_zombie_stores_nothing_after_the_claim_that_ends_it(self, store: EventStore) -> None:
        old = store.claim("run")
        ready = Barrier(THREADS + 1, timeout=WAIT_SECONDS)

        def work(number: int) -> int:
            ready.wait()
            stored = 0
            while not refused(store, one(f"{number}/{stored}", old, f"old-{number}")):
                stored += 1
            assert refused(store, one("late", old))
            return stored

        with ThreadPoolExecutor(THREADS) as pool:
            zombies = [pool.submit(work, number) for number in range(THREADS)]
            ready.wait()
            new = store.claim("run")
            end = store.end()
            store.write(one("new", new))
            stored = sum(zombie.result(WAIT_SECONDS) for zombie in zombies)
        log = list(store.read_all())
        assert [item.stream for item in log if item.position > end] == ["s-1"]
        assert len(log) == stored + 1
