"""Threads that share a transaction."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from runtime.errors import (
    Fenced,
    StoreError,
    StoreLocked,
    WrongExpectedVersion,
)
from runtime.events import named_id
from runtime.store import (
    Append,
    Appended,
    Checkpoint,
    Expected,
    Fence,
    SqliteStore,
    Write,
    connection,
)
from runtime.store.fence import Claim
from tests.store.samples import event
from tests.support.waiting import becomes

ANY = Expected.ANY
WAIT_SECONDS = 20


class TestGroup:
    def test_writers_that_wait_share_one_transaction(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with SqliteStore.open(path) as store:
            writer = store._writer
            assert writer is not None
            shared: list[int] = []
            first, go = threading.Event(), threading.Event()
            commit = type(writer).commit

            def slow(self: object, writes: list[Write]) -> object:
                shared.append(len(writes))
                first.set()
                assert go.wait(WAIT_SECONDS)
                return commit(writer, writes)

            monkeypatch.setattr(type(writer), "commit", slow)
            errors: list[StoreError] = []

            def work(number: int) -> None:
                try:
                    store.append(f"s-{number % 4}", Expected.NO_STREAM, [event(str(number))])
                except StoreError as error:
                    errors.append(error)

            threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
            threads[0].start()
            assert first.wait(WAIT_SECONDS)
            for thread in threads[1:]:
                thread.start()
            becomes(lambda: len(store._group._waiting), 8)
            go.set()
            for thread in threads:
                thread.join(WAIT_SECONDS)
            assert shared == [1, 7]
            assert len(errors) == 4
            assert len(list(store.read_all())) == 4

    def test_a_transaction_that_fails_fails_for_all_of_them(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connection, "BUSY_SECONDS", 0.05)
        with SqliteStore.open(path) as store, closing(sqlite3.connect(path)) as raw:
            raw.execute("BEGIN IMMEDIATE")
            errors: list[StoreError] = []

            def work(number: int) -> None:
                try:
                    store.append(f"s-{number}", ANY, [event(str(number))])
                except StoreError as error:
                    errors.append(error)

            threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(WAIT_SECONDS)
            raw.execute("ROLLBACK")
            assert [type(error) for error in errors] == [StoreLocked] * 4
            assert len({id(error) for error in errors}) == 4
            assert store.append("s-0", ANY, [event("0")]).revision == 0

    def test_an_interrupted_leader_leaves_the_others_their_turn(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with SqliteStore.open(path) as store:
            writer = store._writer
            assert writer is not None

            def interrupted(*_: object) -> None:
                raise KeyboardInterrupt

            with monkeypatch.context() as patch:
                patch.setattr(type(writer._tail), "flush", interrupted)
                with pytest.raises(KeyboardInterrupt):
                    store.append("s-1", ANY, [event("a")])
            assert store._group._waiting == []
            assert store.append("s-1", Expected.NO_STREAM, [event("b")]).revision == 0


def under(fence: Fence | None, name: str, expected: int | Expected = ANY) -> Write:
    return Write([Append("s-1", expected, [event(name)])], [Checkpoint(name, "1")], fence=fence)


class TestFences:
    def test_claims_and_writes_of_a_transaction_are_taken_in_order(self, path: Path) -> None:
        one, two, three = (Fence("run", epoch) for epoch in (1, 2, 3))
        requests: list[tuple[Write | Claim, object]] = [
            (under(one, "a"), Fenced),
            (Claim("run"), one),
            (under(one, "b"), [Appended(0, 1)]),
            (under(two, "c"), Fenced),
            (Claim("run"), two),
            (under(one, "d"), Fenced),
            (under(two, "e"), [Appended(1, 2)]),
            (under(two, "f", 7), WrongExpectedVersion),
            (under(None, "g"), [Appended(2, 3)]),
            (Claim("run"), three),
            (under(two, "h"), Fenced),
            (under(three, "i"), [Appended(3, 4)]),
        ]
        with SqliteStore.open(path) as store:
            assert store._writer is not None
            outcomes = store._writer.commit([request for request, _ in requests])
            came = [type(it) if isinstance(it, Exception) else it for it in outcomes]
            assert came == [outcome for _, outcome in requests]
            stored = [item.event_id for item in store.read_stream("s-1")]
            assert stored == [named_id(name) for name in "begi"]
            assert [name for name in "abcdefghi" if store.checkpoint(name)] == list("begi")
            assert store.claim("run") == Fence("run", 4)

    def test_a_claim_taken_back_with_its_transaction_leaves_the_older_fence_good(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with SqliteStore.open(path) as store:
            writer = store._writer
            assert writer is not None
            old = store.claim("run")

            def interrupted(*_: object) -> None:
                raise KeyboardInterrupt

            with monkeypatch.context() as patch:
                patch.setattr(type(writer._tail), "flush", interrupted)
                with pytest.raises(KeyboardInterrupt):
                    writer.commit([Claim("run"), under(Fence("run", 2), "a")])
            with pytest.raises(Fenced):
                store.write(under(Fence("run", 2), "a"))
            assert store.write(under(old, "a"))[0].revision == 0
            assert store.claim("run") == Fence("run", 2)
