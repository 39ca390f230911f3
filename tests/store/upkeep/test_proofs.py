"""Proofs on a scavenged log: what remains is verified, across what was removed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runtime.errors import ReplayDiverged
from runtime.events import RecordedEvent, Scavenged, id_text
from runtime.jobs.explanation import explain
from runtime.jobs.launch import run
from runtime.jobs.verification import Verdict, verify_store
from runtime.store import SqliteStore, Write
from runtime.store.upkeep import check
from tests.laws.study import ROOT, arithmetic
from tests.store.upkeep.samples import described, edit, entries


@pytest.fixture(scope="module")
def scavenged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a finished run: one stream cut short, one deleted, one under a tombstone."""
    path = tmp_path_factory.mktemp("study") / "run.db"
    assert run(arithmetic(path)).root == ROOT
    with SqliteStore.open(path) as store:
        long = sorted(store.heads("agent-yield-scout/"), key=lambda head: -head.revision)
        cut, soft, hard = (head.stream for head in long[:3])
        store.write(Write([described(cut, _maxCount=5)]))
        store.delete(soft)
        store.delete(hard, hard=True)
        expected = long[0].revision - 4 + long[1].revision + long[2].revision + 1
        assert store.scavenge().events == expected
    assert check(path).sound
    return path


@pytest.fixture
def copy(scavenged: Path, path: Path) -> Path:
    shutil.copy(scavenged, path)
    return path


def streams(path: Path) -> tuple[str, str, str]:
    """The stream that was cut short, the deleted one, the one under a tombstone."""
    gone = [entry for entry in entries(path) if isinstance(entry, Scavenged)]
    names = sorted({entry.stream for entry in gone}, key=lambda name: len(left(path, name)))
    heads = {name: left(path, name) for name in names}
    hard = next(name for name in names if heads[name][-1].type == "$streamDeleted")
    soft = next(name for name in names if len(heads[name]) == 1 and name != hard)
    return names[-1], soft, hard


def left(path: Path, stream: str) -> list[RecordedEvent]:
    with SqliteStore.open(path, writer=False) as store:
        return [one for one in store.entries(stream) if isinstance(one, RecordedEvent)]


def damages(verdict: Verdict) -> list[str]:
    return [f"{one.stream} {one.kind}" for one in verdict.damages]


def test_roots_and_chains_hold_and_what_is_gone_is_counted(scavenged: Path) -> None:
    verdict = verify_store(scavenged, root=ROOT)
    assert verdict.damages == ()
    assert verdict.roots == {"arithmetic": ROOT}
    cut, soft, hard = streams(scavenged)
    assert set(verdict.scavenged) == {cut, soft, hard}
    assert sum(verdict.scavenged.values()) == check(scavenged).scavenged
    assert verdict.scavenged[soft] == left(scavenged, soft)[0].revision


def test_what_is_hidden_is_counted_until_it_is_scavenged(path: Path) -> None:
    assert run(arithmetic(path)).root == ROOT
    with SqliteStore.open(path) as store:
        head = max(store.heads("agent-yield-scout/"), key=lambda one: one.revision)
        store.write(Write([described(head.stream, _maxCount=5)]))
        gone = {head.stream: head.revision - 4}
        verdict = verify_store(path, root=ROOT)
        assert (verdict.damages, verdict.hidden, verdict.scavenged) == ((), gone, {})
        store.scavenge()
    verdict = verify_store(path, root=ROOT)
    assert (verdict.damages, verdict.hidden, verdict.scavenged) == ((), {}, gone)


def test_an_altered_digest_is_found(copy: Path) -> None:
    cut, *_ = streams(copy)
    last = left(copy, cut)[0].position
    edit(
        copy,
        "UPDATE scavenged SET digest = zeroblob(32) WHERE position ="
        f" (SELECT max(position) FROM scavenged WHERE position < {last} AND stream ="
        f" (SELECT id FROM streams WHERE name = '{cut}'))",
    )
    assert damages(verify_store(copy)) == [f"{cut} chain"]


def test_a_gap_that_no_scavenge_left_is_found(copy: Path) -> None:
    cut, *_ = streams(copy)
    edit(
        copy,
        "DELETE FROM scavenged WHERE revision = 1 AND stream ="
        f" (SELECT id FROM streams WHERE name = '{cut}')",
    )
    assert damages(verify_store(copy)) == [f"{cut} gap"]


def test_a_head_that_passes_as_scavenged_is_found(copy: Path) -> None:
    cut, *_ = streams(copy)
    head = left(copy, cut)[-1]
    edit(
        copy,
        "INSERT INTO scavenged SELECT position, stream, revision, event_id, zeroblob(32)"
        f" FROM events WHERE position = {head.position}",
        f"DELETE FROM events WHERE position = {head.position}",
    )
    assert damages(verify_store(copy)) == [f"{cut} gap"]


def test_an_edit_of_what_remains_is_found(copy: Path) -> None:
    cut, *_ = streams(copy)
    head = left(copy, cut)[-1]
    edit(copy, f"UPDATE events SET data = data || ' ' WHERE position = {head.position}")
    assert [one.revision for one in verify_store(copy).damages] == [head.revision]


def test_an_event_behind_the_gap_is_explained(copy: Path) -> None:
    cut, *_ = streams(copy)
    head = left(copy, cut)[-1]
    explained = explain(copy, id_text(head.event_id))
    assert explained.damages == ()
    assert explained.decision["eventNumber"] == head.revision


def test_a_decision_whose_cause_is_gone_is_proven_as_far_as_it_goes(copy: Path) -> None:
    _, soft, _ = streams(copy)
    with SqliteStore.open(copy, writer=False) as store:
        followers = [one for one in store.read_all() if one.stream.startswith("agent-follower/")]
    of_soft = next(one for one in followers if f'"source":"{soft}"'.encode() in one.metadata)
    explained = explain(copy, id_text(of_soft.event_id))
    assert explained.damages == ()
    assert (explained.origin.feed, explained.origin.values) == (soft, None)
    assert explained.origin.missing == "that event was scavenged"


def test_the_run_is_known_to_be_finished_and_its_root_is_the_same(path: Path) -> None:
    assert run(arithmetic(path)).root == ROOT
    with SqliteStore.open(path) as store:
        for number, stream in enumerate(store.streams("agent-")):
            store.write(Write([described(stream, number, _maxCount=1)]))
        store.scavenge()
    again = run(arithmetic(path))
    assert (again.completed, again.resumed, again.root) == (True, True, ROOT)
    assert verify_store(path, root=ROOT).damages == ()


def test_what_is_decided_again_is_compared_with_what_is_kept_of_it(path: Path) -> None:
    assert run(arithmetic(path)).root == ROOT
    with SqliteStore.open(path) as store:
        for number, stream in enumerate(store.streams("agent-follower/")):
            store.write(Write([described(stream, number, _maxCount=2)]))
        assert store.scavenge().events > 0
    forgotten = ("snapshot_parts", "snapshots", "checkpoints")
    unfinished = "DELETE FROM events WHERE type = 'RunCompleted'"
    edit(path, *(f"DELETE FROM {table}" for table in forgotten), unfinished)
    shutil.copy(path, path.with_name("altered.db"))
    assert run(arithmetic(path)).root == ROOT
    assert verify_store(path, root=ROOT).damages == ()
    altered = path.with_name("altered.db")
    edit(altered, "UPDATE scavenged SET digest = zeroblob(32) WHERE revision = 1")
    with pytest.raises(ReplayDiverged, match="event 1 of agent-follower/"):
        run(arithmetic(altered))
