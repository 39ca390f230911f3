"""A store between processes: subscriptions, readers left alone."""

from __future__ import annotations

from pathlib import Path

from runtime.events import RecordedEvent, named_id
from runtime.store import (
    CaughtUp,
    Expected,
    SqliteStore,
)
from tests.store import children
from tests.store.samples import event, write_some

ANY = Expected.ANY
WAIT_SECONDS = 20


class TestOtherProcesses:
    def test_a_subscription_sees_what_another_process_writes(self, path: Path) -> None:
        SqliteStore.open(path).close()
        with (
            SqliteStore.open(path, writer=False, poll=0.01) as store,
            children.start(children.APPEND, path) as child,
        ):
            assert child.stdin is not None
            subscription = store.subscribe()
            assert next(subscription) == CaughtUp(-1)
            for name in "abc":
                child.stdin.write(f"{name}\n")
                child.stdin.flush()
                found = next(subscription)
                assert isinstance(found, RecordedEvent)
                assert found.event_id == named_id(name)
                assert isinstance(next(subscription), CaughtUp)
            subscription.close()
            child.stdin.close()
            assert child.wait(WAIT_SECONDS) == 0

    def test_a_reader_left_alone_does_not_hold_up_the_log(self, path: Path) -> None:
        write_some(path, count=3000)
        log = path.with_name("events.db-wal")
        with SqliteStore.open(path) as store, SqliteStore.open(path, writer=False) as reader:
            left = reader.read_all()
            next(left)
            largest = 0
            for batch in range(12):
                store.append("s-1", ANY, [event(f"{batch}/{i}", 3000) for i in range(1500)])
                largest = max(largest, log.stat().st_size)
            assert largest < path.stat().st_size / 2
            assert sum(1 for _ in left) == 2999
