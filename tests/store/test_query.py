"""How the log is looked through: what a filter finds, and at what cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from runtime.events import NewEvent, RecordedEvent, named_id
from runtime.store import Append, Expected, Filter, SqliteStore, Write, query
from tests.support.seeds import seeded

ANY = Expected.ANY
KINDS = ("A", "B")


def fill(store: SqliteStore, events: int, streams: int) -> None:
    random = Random(events)
    appends = [
        Append(
            f"{random.choice('st')}-{random.randrange(streams)}",
            ANY,
            [NewEvent(named_id(str(number)), random.choice(KINDS), b"", b"")],
        )
        for number in range(events)
    ]
    store.write(Write(appends))


def test_a_filter_finds_the_same_however_many_events_its_streams_hold(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = seeded()
    monkeypatch.setattr(query, "FEW", 12)
    monkeypatch.setattr(query, "PAGE", 5)
    with SqliteStore.open(path) as store:
        fill(store, 100, 12)
        log = list(store.read_all())
        for _ in range(300):
            prefixes = random.choices(["s-1", "s-", "t-1", "t-10", "t-7", "u"], k=2)
            only = Filter(prefixes[: random.randrange(3)], random.choice(((), ("A",))))
            start, backwards = random.randrange(105), random.random() < 0.5
            limit = random.choice((None, 3))
            found = list(store.read_all(start, backwards=backwards, limit=limit, only=only))
            wanted = [item for item in log if passes(item, only)]
            wanted = [item for item in wanted if (item.position < start) == backwards]
            assert found == (wanted[::-1] if backwards else wanted)[:limit], (only, start)


def passes(item: RecordedEvent, only: Filter) -> bool:
    streams = not only.streams or item.stream.startswith(tuple(only.streams))
    return streams and (not only.types or item.type in only.types)


def test_what_few_streams_hold_is_found_without_looking_through_the_log(path: Path) -> None:
    only = Filter(["system-"], ["RunStarted"])
    with SqliteStore.open(path) as store:
        for name in ("first", "second"):
            run = NewEvent(named_id(name), "RunStarted", b"", b"")
            store.append(f"system-{name}", ANY, [run])
        fill(store, query.FEW + 1_000, 100)
        read = list(store.read_all(only=only))
        assert [item.stream for item in read] == ["system-first", "system-second"]
        assert steps(store, lambda: list(store.read_all(only=only))) < 1_000
        assert steps(store, lambda: list(store.read_all(backwards=True, only=only))) < 1_000
        assert steps(store, lambda: list(store.read_all(only=Filter(types=["None"])))) > 10_000


def steps(store: SqliteStore, act: Callable[[], object]) -> int:
    """Instructions of SQLite's machine that `act` takes, in tens."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    with store._pool.borrow() as connection:
        connection.set_progress_handler(count, 10)
    act()
    with store._pool.borrow() as connection:
        connection.set_progress_handler(None, 10)
    return taken
