"""Files that a power cut or a bad disk left: a torn write-ahead log, damaged pages.

Each frame of the log has a checksum that covers all before it: from the first frame that is
damaged on, SQLite takes the log as not written. So a tail torn by a power cut costs only what
was not answered, but of damage to what was durable before, the store knows nothing: later
transactions are gone as if they had never been. The pages of the file have no checksum: SQLite
finds a damaged structure, not a changed byte of an event. Both are found by the chain of
signatures and the root that a run printed ('lucent verify').
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from runtime.errors import StoreDamaged, StoreError
from runtime.events import NewEvent, RecordedEvent, named_id
from runtime.jobs.verification import verify_store
from runtime.store import Expected, SqliteStore
from tests.store.samples import event, stored_transactions, transaction
from tests.support.jobs import run_in
from tests.support.seeds import seeded

ANY = Expected.ANY
FRAME, HEADER, PAGE = 24 + 4096, 32, 4096
TRANSACTIONS = 12


@pytest.fixture
def random() -> Random:
    return seeded()


class TestTornLog:
    @pytest.fixture
    def ends(self, path: Path) -> Iterator[list[int]]:
        """Where each transaction ends in the write-ahead log of a store that is still open."""
        with SqliteStore.open(path) as store:
            log = path.with_name("events.db-wal")
            ends = []
            for number in range(TRANSACTIONS):
                store.write(transaction(number))
                ends.append(log.stat().st_size)
            yield ends

    def after(self, path: Path, edit: Callable[[bytearray], object]) -> int:
        """The transactions that are left after a power cut that changed the log so."""
        copy = path.with_name("copy.db")
        log = bytearray(path.with_name("events.db-wal").read_bytes())
        edit(log)
        shutil.copyfile(path, copy)
        copy.with_name("copy.db-wal").write_bytes(log)
        with SqliteStore.open(copy) as store:
            left = stored_transactions(store)
            store.write(transaction(left))
            assert stored_transactions(store) == left + 1
        with SqliteStore.open(copy, writer=False) as store:
            assert stored_transactions(store) == left + 1
        return left

    def test_cut_off_anywhere(self, path: Path, ends: list[int], random: Random) -> None:
        whole = ends[-1]
        cuts = {0, 1, HEADER, whole, *ends, *(end - 1 for end in ends)}
        cuts |= {HEADER + FRAME * frame for frame in range(0, whole // FRAME, 7)}
        cuts |= {random.randrange(whole) for _ in range(30)}
        for cut in sorted(cuts):
            left = self.after(path, lambda log: log.__delitem__(slice(cut, None)))  # noqa: B023
            assert left == sum(end <= cut for end in ends), cut

    @pytest.mark.parametrize("torn", [1, 512, FRAME])
    def test_damaged_anywhere(self, path: Path, ends: list[int], random: Random, torn: int) -> None:
        """So many bytes that are not what was written, in one frame."""
        for _ in range(20):
            frame = random.randrange((ends[-1] - HEADER) // FRAME) * FRAME + HEADER
            place = frame + random.randrange(FRAME - torn + 1)

            def edit(log: bytearray) -> None:
                for at in range(place, place + torn):  # noqa: B023
                    log[at] ^= random.randrange(1, 256)

            assert self.after(path, edit) == sum(end <= frame for end in ends), (place, torn)


STREAMS = [f"s-{number}" for number in range(6)]


class TestDamagedFile:
    @pytest.fixture
    def truth(self, path: Path) -> dict[str, list[RecordedEvent]]:
        """The events of each stream of a store, most pages of which hold those of one stream."""
        with SqliteStore.open(path) as store:
            for stream in STREAMS:
                batch = [
                    NewEvent(named_id(f"{stream}/{number}"), "T", b"payload " * 60, b"{}")
                    for number in range(60)
                ]
                store.append(stream, ANY, batch)
            return {stream: list(store.read_stream(stream)) for stream in STREAMS}

    @pytest.mark.parametrize("noise", [b"\xa5" * PAGE, bytes(PAGE)])
    def test_a_page_of_noise_is_told_and_what_is_elsewhere_is_read(
        self, path: Path, truth: dict[str, list[RecordedEvent]], noise: bytes
    ) -> None:
        whole = path.read_bytes()
        unreadable = []
        refused = 0
        for start in range(PAGE, len(whole), PAGE):
            path.write_bytes(whole[:start] + noise + whole[start + PAGE :])
            try:
                store = SqliteStore.open(path, writer=False)
            except StoreDamaged:
                refused += 1
                continue
            with store:
                told = [_told(path, store.read_stream, stream) for stream in STREAMS]
                log = _told(path, store.read_all)
            lost = [stream for stream, events in zip(STREAMS, told, strict=True) if not events]
            assert all(truth[s] == e for s, e in zip(STREAMS, told, strict=True) if e)
            assert log in (None, [event for stream in STREAMS for event in truth[stream]])
            unreadable.append(len(lost))
        assert unreadable.count(1) + unreadable.count(2) > 0.7 * len(unreadable)
        assert refused < len(unreadable), "only pages that every opening reads are to refuse it"

    def test_exchanged_pages_are_told(
        self, path: Path, truth: dict[str, list[RecordedEvent]]
    ) -> None:
        whole = bytearray(path.read_bytes())
        pages = [slice(start, start + PAGE) for start in range(0, len(whole), PAGE)]
        _, one, *_, other, _ = [page for page in pages if b"payload " in whole[page]]
        whole[one], whole[other] = whole[other], whole[one]
        path.write_bytes(whole)
        with SqliteStore.open(path, writer=False) as store:
            for backwards in (False, True):
                with pytest.raises(StoreDamaged, match=rf"{path} .*out of order"):
                    list(store.read_all(backwards=backwards))

    @pytest.mark.parametrize("writer", [True, False])
    def test_the_first_page(
        self, path: Path, truth: dict[str, list[RecordedEvent]], writer: bool
    ) -> None:
        whole = path.read_bytes()
        undecodable = whole.replace(b"ON events (event_id)", b"ON event\xcd (event_id)")
        assert undecodable != whole
        for damaged in (b"\xa5" * PAGE + whole[PAGE:], bytes(PAGE) + whole[PAGE:], undecodable):
            path.write_bytes(damaged)
            with (
                pytest.raises(StoreDamaged, match=str(path)),
                SqliteStore.open(path, writer=writer) as store,
            ):
                store.end()

    def test_a_file_cut_off_anywhere(
        self, path: Path, truth: dict[str, list[RecordedEvent]], random: Random
    ) -> None:
        size = path.stat().st_size
        for cut in [size - 1, *sorted(random.sample(range(1, size), 20), reverse=True)]:
            os.truncate(path, cut)
            for writer in (True, False):
                with (
                    pytest.raises(StoreDamaged, match=str(path)),
                    SqliteStore.open(path, writer=writer) as store,
                ):
                    list(store.read_all())

    def test_a_changed_byte_of_a_decision_is_read_but_found_by_its_signature(
        self, tmp_path: Path
    ) -> None:
        path = Path(run_in(tmp_path).store)
        with SqliteStore.open(path, writer=False) as store:
            decision = next(store.heads("agent-"))
        whole = bytearray(path.read_bytes())
        whole[whole.index(decision.data) + 20] ^= 1
        path.write_bytes(whole)
        with SqliteStore.open(path, writer=False) as store:
            assert decision not in list(store.read_all())
        (found,) = verify_store(path).damages
        assert (found.stream, found.revision) == (decision.stream, decision.revision)

    def test_whatever_is_damaged_the_answer_is_a_store_error(
        self, path: Path, truth: dict[str, list[RecordedEvent]], random: Random
    ) -> None:
        whole = path.read_bytes()
        for _ in range(60):
            damaged = bytearray(whole)
            page = random.randrange(len(whole) // PAGE) * PAGE
            for _ in range(random.choice((1, 20))):
                damaged[page + random.randrange(PAGE)] = random.randrange(256)
            path.write_bytes(damaged)
            with suppress(StoreError), SqliteStore.open(path) as store:
                for use in _uses(store):
                    with suppress(StoreError):
                        use()


def _told(
    path: Path, read: Callable[..., Iterator[RecordedEvent]], *arguments: str
) -> list[RecordedEvent] | None:
    """What is read, or None if it is told to be damaged."""
    try:
        return list(read(*arguments))
    except StoreDamaged as error:
        message = str(error)
    assert str(path) in message
    return None


def _uses(store: SqliteStore) -> list[Callable[[], object]]:
    return [
        lambda: list(store.read_all()),
        lambda: list(store.read_all(backwards=True)),
        *[lambda name=stream: list(store.read_stream(name)) for stream in STREAMS],
        lambda: list(store.heads()),
        store.streams,
        store.end,
        lambda: store.find(named_id("s-3/7")),
        lambda: store.append("s-1", ANY, [event("new")]),
        lambda: store.append("s-2", 59, [event("newer")]),
        lambda: store.delete("s-3"),
        lambda: store.write(transaction(1)),
        lambda: store.claim("run"),
        lambda: store.snapshot("s"),
    ]
