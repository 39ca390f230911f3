"""What any `EventStore` must give to many that write and follow at the same time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from runtime.errors import WrongExpectedVersion
from runtime.events import NewEvent, RecordedEvent
from runtime.store import CaughtUp, Checkpoint, EventStore, Expected, Write
from tests.conformance.samples import event
from tests.support.seeds import seeded

ANY = Expected.ANY
THREADS, EACH = 8, 5
EVENTS = 300
WAIT_SECONDS = 60


def test_writers_of_one_stream_that_expect_its_revision(store: EventStore) -> None:
    """Each decides again as long as another one was first; all are stored, as answered."""

    def write(thread: int) -> dict[int, bytes]:
        written = {}
        for number in range(EACH):
            new = event(f"{thread}/{number}")
            while (revision := _appended(store, new)) is None:
                pass
            written[revision] = new.event_id
        return written

    with ThreadPoolExecutor(THREADS) as threads:
        answers = list(threads.map(write, range(THREADS), timeout=WAIT_SECONDS))
    told = {revision: event_id for one in answers for revision, event_id in one.items()}
    stored = [(item.revision, item.event_id) for item in store.read_stream("s-1")]
    assert sorted(told.items()) == stored
    assert [revision for revision, _ in stored] == list(range(THREADS * EACH))


def _appended(store: EventStore, new: NewEvent) -> int | None:
    try:
        return store.append("s-1", store.revision("s-1"), [new]).revision
    except WrongExpectedVersion:
        return None


def test_followers_beside_writers_see_each_event_once_in_order(store: EventStore) -> None:
    def write(thread: int) -> None:
        for number in range(20):
            store.append(f"s-{(thread + number) % 3}", ANY, [event(f"{thread}/{number}")])

    def follow() -> list[RecordedEvent]:
        seen: list[RecordedEvent] = []
        subscription = store.subscribe()
        for item in subscription:
            if isinstance(item, RecordedEvent):
                seen.append(item)
            elif len(seen) >= 80:
                break
        subscription.close()
        return seen

    with ThreadPoolExecutor(8) as threads, closing(store):
        following = [threads.submit(follow) for _ in range(4)]
        list(threads.map(write, range(4), timeout=WAIT_SECONDS))
        log = list(store.read_all())
        assert len(log) == 80
        assert [each.result(WAIT_SECONDS) for each in following] == [log] * 4


def test_a_follower_goes_on_after_its_checkpoint(reopen: Callable[[], EventStore]) -> None:
    random = seeded()
    store, seen = reopen(), list[bytes]()
    store.append("s-1", ANY, [event(str(number)) for number in range(EVENTS)])
    while len(seen) < EVENTS:
        cursor = store.checkpoint("follower")
        subscription = store.subscribe(None if cursor is None else int(cursor))
        for item in (next(subscription) for _ in range(random.randrange(1, 150))):
            if isinstance(item, CaughtUp):
                assert len(seen) == EVENTS
                break
            seen.append(item.event_id)
            cursor = str(item.position)
        subscription.close()
        assert cursor is not None
        store.write(Write(checkpoints=[Checkpoint("follower", cursor)]))
        store = reopen()
    assert seen == [event(str(number)).event_id for number in range(EVENTS)]
