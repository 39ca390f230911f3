"""Stores with all that an upkeep has to take care of."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from runtime.events import Entry, NewEvent, named_id
from runtime.store import Append, Checkpoint, Expected, Snapshot, SqliteStore, Write
from runtime.store.policy import METADATA_TYPE, metastream

ANY = Expected.ANY


def described(stream: str, number: int = 0, **fields: object) -> Append:
    """Metadata of a stream; underscores stand for dollars."""
    data = msgspec.json.encode({name.replace("_", "$", 1): fields[name] for name in fields})
    name = metastream(stream)
    return Append(name, ANY, [NewEvent(named_id(f"{name}/{number}"), METADATA_TYPE, data, b"")])


def numbered(stream: str, first: int, count: int) -> Append:
    """Events with the numbers from `first` on in their data and ids."""
    events = [
        NewEvent(named_id(f"{stream}/{n}"), "T", b'{"n":%d}' % n, b"{}", n % 2 == 0)
        for n in range(first, first + count)
    ]
    return Append(stream, ANY, events)


def write_rich(path: Path) -> None:
    """Streams under every policy, deleted ones, revived ones, and what stands beside the log."""
    with SqliteStore.open(path) as store:
        for at in range(0, 30, 10):
            streams = ("free-1", "count-1", "tb-1", "soft-1", "hard-1", "revived-1")
            store.write(Write([numbered(stream, at, 10) for stream in streams]))
        store.write(Write([described("count-1", 0, _maxCount=7)]))
        store.write(Write([described("count-1", 1, _maxCount=4, owner="desk")]))
        store.write(Write([described("tb-1", 0, _tb=25)]))
        store.delete("soft-1")
        store.delete("hard-1", hard=True)
        store.delete("revived-1")
        store.write(Write([numbered("revived-1", 30, 3)]))
        store.claim("run")
        store.claim("run")
        snapshot = Snapshot("run/a", '{"at":9}', {0: b"zero", 7: b"seven"})
        store.write(Write([], [Checkpoint("run/a", '{"at":9}')], [snapshot]))


PIECES = [b"", b"{}", b'{"a":"\xc3\xa4"}', b" 1", b"\x00\xff", b"[\n]", b'"\\u00e4"', b"x" * 70_000]


def write_any(path: Path, rng: random.Random, *, scavenges: bool = True) -> None:
    """Streams of all kinds of bytes, some cut short or deleted, and scavenged now and then."""
    streams = [f"a-{n}" for n in range(5)] + ["ä\n", "$own", "plain"]
    with SqliteStore.open(path) as store:
        for _ in range(60):
            stream = rng.choice(streams)
            events = [
                NewEvent(
                    rng.randbytes(16),
                    rng.choice(["T", "Ünïcode", "$x"]),
                    rng.choice(PIECES),
                    rng.choice(PIECES),
                    rng.random() < 0.5,
                )
                for _ in range(rng.randrange(1, 8))
            ]
            store.append(stream, ANY, events)
            if rng.random() < 0.1:
                limits = NewEvent(rng.randbytes(16), "$metadata", b'{"$maxCount":3}', b"")
                store.append(f"$${rng.choice(streams)}", ANY, [limits])
            if rng.random() < 0.05:
                store.delete(stream)
            if scavenges and rng.random() < 0.1:
                store.scavenge()
        store.append("late", ANY, [NewEvent(bytes(16), "T", b"", b"")])
        store.delete("late", hard=True)
        if scavenges:
            store.scavenge()


def entries(path: Path) -> list[Entry]:
    """All that the log of a store holds."""
    with SqliteStore.open(path, writer=False) as store:
        return list(store.entries())


def edit(path: Path, *statements: str) -> None:
    """Change a store behind its back."""
    with closing(sqlite3.connect(path)) as raw, raw:
        for statement in statements:
            raw.execute(statement)


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    """What a store's tables hold."""
    with closing(sqlite3.connect(path)) as raw:
        return raw.execute(query).fetchall()
