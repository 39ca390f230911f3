"""What becomes of calls to a server that fails, is silent, or is not the leader any more."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest

from runtime.errors import AddressUnusable, Fenced, StoreUnreachable
from runtime.events import NewEvent, RecordedEvent, named_id
from runtime.store import Append, Checkpoint, Expected, Fence, SqliteStore, Write, open_store
from runtime.store.kurrent import KurrentStore, pump
from runtime.store.kurrent.register import Register
from tests.support.faulty import Faults, faulty

ANY = Expected.ANY


def events(count: int, start: int = 0) -> list[NewEvent]:
    return [NewEvent(named_id(f"e/{n}"), "Seen", b"{}", b"") for n in range(start, start + count)]


@contextmanager
def opened(folder: Path, faults: Faults, options: str = "") -> Iterator[KurrentStore]:
    """A store on two nodes that fail; faults begin once it is open."""
    left, faults.left = faults.left, 0
    with (
        SqliteStore.open(folder / "served.db") as embedded,
        faulty(embedded, faults) as place,
        KurrentStore.open(place + options, patience=20.0) as store,
    ):
        faults.left = left
        yield store


def of_kind(*kinds: str, left: int) -> Faults:
    return Faults(random.Random(0), rate=1.0, left=left, kinds=kinds)


@pytest.mark.parametrize("kind", ["refused", "lost", "leader"])
def test_an_append_that_fails_four_times_is_stored_once(tmp_path: Path, kind: str) -> None:
    faults = of_kind(kind, left=4)
    with opened(tmp_path, faults) as store:
        assert store.append("s-1", ANY, events(3)).revision == 2
        assert store.append("s-1", 2, events(2, 3)).revision == 4
        assert [e.event_id for e in store.read_stream("s-1")] == [e.event_id for e in events(5)]
    assert faults.met == {kind: 4}


def test_a_call_without_an_answer_is_made_again_at_its_deadline(tmp_path: Path) -> None:
    faults = of_kind("silent", left=2)
    with opened(tmp_path, faults, "&defaultDeadline=1") as store:
        assert store.append("s-1", ANY, events(1)).revision == 0
        faults.left = 1
        assert len(list(store.read_stream("s-1"))) == 1
    assert faults.met == {"silent": 3}


def followed(store: KurrentStore, count: int) -> list[int]:
    found = (e for e in store.subscribe() if isinstance(e, RecordedEvent))
    return [event.revision for event in islice(found, count)]


@pytest.mark.parametrize("kind", ["too slow", "broken", "refused", "leader"])
def test_a_subscription_that_is_dropped_goes_on_where_it_was(tmp_path: Path, kind: str) -> None:
    faults = of_kind(kind, left=0)
    with opened(tmp_path, faults) as store:
        store.append("s-1", ANY, events(200))
        faults.left = 5
        assert followed(store, 200) == list(range(200))
    assert faults.met == {kind: 5}


def test_a_subscription_that_is_silent_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "SILENCE", 0.5)
    faults = of_kind("silent", left=0)
    with opened(tmp_path, faults) as store:
        store.append("s-1", ANY, events(3))
        faults.left = 2
        assert followed(store, 3) == [0, 1, 2]
    assert faults.met == {"silent": 2}


def test_a_server_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable, match=r"esdb://localhost:1 gave no answer"):
        KurrentStore.open("esdb://ada:secret@localhost:1?tls=false", patience=0.2)


@pytest.mark.parametrize(
    "address", ["esdb://", "esdb://localhost:2113?nodePreference=x", "esdb://localhost:port"]
)
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(AddressUnusable):
        open_store(address)


def test_a_user_needs_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LUCENT_STORE_PASSWORD", raising=False)
    with pytest.raises(AddressUnusable, match=r"ada@localhost.* set LUCENT_STORE_PASSWORD"):
        open_store("esdb://ada@localhost:2113")


class TestFencedWrite:
    """Writes that are more than one append, which a server has no transaction for."""

    def write(self, fence: Fence, revision: int) -> Write:
        appends = [
            Append("s-1", revision, events(2, 2 * revision + 2)),
            Append("s-2", revision, events(2, 2 * revision + 2)),
        ]
        return Write(appends, [Checkpoint("run", str(revision))], fence=fence)

    def test_that_was_put_on_record_is_carried_out_by_the_next_to_claim(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with opened(tmp_path, of_kind(left=0)) as store:
            fence = store.claim("run")
            with monkeypatch.context() as patch:
                patch.setattr(Register, "_apply", _crash)
                with pytest.raises(MemoryError):
                    store.write(self.write(fence, -1))
            assert store.revision("s-1") == store.revision("s-2") == -1
            store.claim("run")
            assert store.revision("s-1") == store.revision("s-2") == 1
            assert store.checkpoint("run") == "-1"

    def test_of_an_older_claim_stores_nothing(self, tmp_path: Path) -> None:
        with opened(tmp_path, of_kind("lost", left=0)) as store:
            old = store.claim("run")
            store.write(self.write(old, -1))
            store.claim("run")
            with pytest.raises(Fenced, match="another process has taken it over"):
                store.write(self.write(old, 1))
            assert store.revision("s-1") == store.revision("s-2") == 1

    def test_whose_answers_are_lost_is_stored_once(self, tmp_path: Path) -> None:
        faults = Faults(random.Random(1), rate=0.5, left=12, kinds=("lost",))
        with opened(tmp_path, faults) as store:
            fence = store.claim("run")
            for revision in (-1, 1, 3):
                store.write(self.write(fence, revision))
            assert store.revision("s-1") == store.revision("s-2") == 5
            assert store.checkpoint("run") == "3"
        assert faults.met["lost"] > 0


def _crash(*_: object) -> None:
    raise MemoryError
