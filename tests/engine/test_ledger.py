from __future__ import annotations

import pytest

from runtime.engine.commands import Commit
from runtime.engine.ledger import Ledger
from runtime.engine.results import Sealed, StageSnapshot
from runtime.errors import ReplayDiverged
from runtime.events import NewEvent, named_id
from runtime.store import Append, Checkpoint, Expected, Snapshot, SqliteStore

NO_STREAM = Expected.NO_STREAM


def sealed(stream: str, revision: int, data: bytes = b"{}") -> Sealed:
    event = NewEvent(named_id(f"{stream}/{revision}"), "Decided", data, b"{}")
    return Sealed(stream, revision, event)


def commit(*events: Sealed, number: int = 0, stage: str = "stage", **more: object) -> Commit:
    return Commit(number, stage, events, **more)  # type: ignore[arg-type]


class StoredLog:
    """The log of a real store."""

    def __init__(self, store: SqliteStore) -> None:
        self.revision = store.revision
        self._store = store

    def event(self, stream: str, revision: int):
        (found,) = self._store.read_stream(stream, revision, limit=1)
        return found


@pytest.fixture
def store(tmp_path):
    with SqliteStore.open(tmp_path / "log.db") as opened:
        opened.append("s-a", NO_STREAM, [sealed("s-a", n).event for n in range(3)])
        yield opened


@pytest.fixture
def ledger(store: SqliteStore) -> Ledger:
    return Ledger("study", StoredLog(store))


def test_new_events_are_appended_stream_by_stream(ledger: Ledger, store: SqliteStore):
    events = [sealed("s-a", 3), sealed("s-b", 0), sealed("s-a", 4), sealed("s-b", 1)]
    write = ledger.write([commit(*events[:3]), commit(events[3], number=1)])
    assert [(one.stream, one.expected, len(one.events)) for one in write.appends] == [
        ("s-a", 2, 2),
        ("s-b", -1, 2),
    ]
    store.write(write)
    assert (store.revision("s-a"), store.revision("s-b")) == (4, 1)


def test_what_the_log_holds_already_is_dropped(ledger: Ledger):
    write = ledger.write([commit(*(sealed("s-a", n) for n in range(5)))])
    (append,) = write.appends
    assert append == Append("s-a", 2, [sealed("s-a", n).event for n in (3, 4)])
    assert ledger.write([commit(sealed("s-a", 5))]).appends[0].expected == 4


def test_only_what_is_held_already_needs_no_append(ledger: Ledger):
    assert ledger.write([commit(sealed("s-a", 0), sealed("s-a", 2))]).appends == []
    assert ledger.write([]).appends == []


@pytest.mark.parametrize("revision", [0, 1, 2])
@pytest.mark.parametrize("field", ["event_id", "type", "data", "metadata"])
def test_what_was_decided_differently_this_time_is_refused(
    ledger: Ledger, revision: int, field: str
):
    same = sealed("s-a", revision)
    changed = same.event._replace(**{field: "Other" if field == "type" else b"[]"})
    other = same._replace(event=changed)
    with pytest.raises(ReplayDiverged, match=f"event {revision} of s-a was decided differently"):
        ledger.write([commit(other)])


@pytest.mark.parametrize(("stream", "revision", "end"), [("s-a", 4, 2), ("s-b", 1, -1)])
def test_a_gap_is_refused(ledger: Ledger, stream: str, revision: int, end: int):
    said = f"{stream} ends at event {end}, but event {revision} was decided next"
    with pytest.raises(ReplayDiverged, match=said):
        ledger.write([commit(sealed(stream, revision))])


def test_the_last_checkpoint_of_a_stage_counts_and_its_snapshots_add_up(ledger: Ledger):
    commits = [
        commit(checkpoint="1", snapshot=StageSnapshot("1", {0: b"x"}, whole=True)),
        commit(number=1, stage="other", checkpoint="5"),
        commit(number=2, checkpoint="2"),
        commit(number=3, snapshot=StageSnapshot("2", {1: b"y"}, whole=False)),
    ]
    write = ledger.write(commits)
    assert write.checkpoints == (Checkpoint("study/stage", "2"), Checkpoint("study/other", "5"))
    assert write.snapshots == (Snapshot("study/stage", "2", {0: b"x", 1: b"y"}, whole=True),)
