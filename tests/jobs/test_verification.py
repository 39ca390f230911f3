"""What `lucent verify` takes a log's word for, and what it is told from outside: keys and roots."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import msgspec
import pytest

from runtime.errors import KeyInvalid, StoreDamaged, StoreMissing
from runtime.events import GENESIS, NewEvent, RunCompleted, named_id, run_stream
from runtime.identity import SigningKey, recorded_digest, run_root
from runtime.jobs.verification import verify_store
from runtime.store import Expected, SqliteStore
from tests.support.damage import (
    Stored,
    adding,
    assert_found,
    contents,
    damaged,
    dropping,
    setting,
    signed,
    stored,
    stream_of,
)
from tests.support.jobs import follower, job, run_in, run_until, watcher

RUN = "system-study"
NAMES = ("watcher", "follower", "supervisor")
PINS = {name: SigningKey.demo(name).did for name in NAMES}
FOREIGN = SigningKey.demo("somebody else")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_in(tmp_path_factory.mktemp("log")).store


def test_an_empty_store_is_sound(tmp_path: Path):
    SqliteStore.open(tmp_path / "log.db").close()
    verdict = verify_store(tmp_path / "log.db")
    assert (verdict.events, verdict.streams, verdict.damages, verdict.roots) == (0, 0, (), {})
    assert verify_store(tmp_path / "log.db", root="00").damages


def test_a_store_that_is_missing_is_named(tmp_path: Path):
    with pytest.raises(StoreMissing, match=r"log\.db"):
        verify_store(tmp_path / "log.db")


def test_each_run_of_a_store_has_its_root(tmp_path: Path):
    first = run_in(tmp_path)
    agents = [watcher("scout", every=3), follower("tail")]
    second = run_in(tmp_path, run={"name": "second"}, agents=agents)
    verdict = verify_store(tmp_path / "log.db")
    assert verdict.damages == ()
    assert verdict.roots == {"study": first.root, "second": second.root}
    assert verify_store(tmp_path / "log.db", root=first.root).damages == ()


def test_damage_to_one_run_does_not_hide_a_cut_in_another(tmp_path: Path):
    log = run_in(tmp_path).store
    run_in(tmp_path, run={"name": "second"}, agents=[watcher("scout")])
    edited = stream_of(log, "agent-watcher/base/usdc")[0]
    cut = stream_of(log, "agent-scout/base/usdc")[-1]
    copy = damaged(log, setting(edited.position, data=b"{}"), dropping(cut.position))
    assert_found(copy, edited.stream, 0)
    assert_found(copy, "system-second", 1)


@pytest.mark.parametrize("parts", [1, 2, 4, 7])
def test_a_run_that_was_paused_verifies_by_its_earlier_root(tmp_path: Path, parts: int):
    paused = run_until(job(tmp_path), parts)
    assert not paused.completed
    assert verify_store(paused.store, root=paused.root).damages == ()
    ended = run_in(tmp_path)
    assert ended.completed
    assert ended.resumed
    for root in (paused.root, ended.root):
        assert verify_store(ended.store, root=root).damages == ()
    types = [event.type for event in stream_of(ended.store, RUN)]
    assert types == ["RunStarted", "RunPaused", "RunResumed", "RunCompleted"]


def test_a_cut_behind_a_pause_is_found_by_the_root_of_the_pause(tmp_path: Path):
    paused = run_until(job(tmp_path), 4)
    log = run_in(tmp_path).store
    before = {event.stream for event in stored(log)[:5]} - {RUN}
    for stream in before:
        events = stream_of(log, stream)
        cut = damaged(log, *(dropping(event.position) for event in events))
        kinds = [(one.stream, one.revision, one.kind) for one in verify_store(cut).damages]
        assert kinds == [(RUN, 1, "root"), (RUN, 3, "root")]
    assert paused.decisions > 0


def test_pinned_keys_that_wrote_the_log_are_accepted(log: Path):
    verdict = verify_store(log, trust=PINS | {"nobody": FOREIGN.did})
    assert verdict.damages == ()
    assert verdict.pinned


def test_a_pin_that_is_missing_is_asked_for(log: Path):
    for name in NAMES:
        others = {one: did for one, did in PINS.items() if one != name}
        with pytest.raises(KeyInvalid, match=f"no trusted key was given for {name}"):
            verify_store(log, trust=others)


@pytest.mark.parametrize("wrong", [FOREIGN.did, "", "did:key:z6Mk", "did:web:example.org"])
def test_a_pin_that_did_not_write_is_found(log: Path, wrong: str):
    found = verify_store(log, trust=PINS | {"follower": wrong}).damages
    assert {(one.stream, one.revision, one.kind) for one in found} == {
        ("agent-follower/DAI", 0, "author"),
        ("agent-follower/USDC", 0, "author"),
    }
    assert_found(log, RUN, 0, trust=PINS | {"supervisor": wrong})


def test_a_log_written_anew_by_another_is_told_by_pins_and_by_the_root(log: Path):
    copy, forged_root = _rewritten(log)
    verdict = verify_store(copy)
    assert verdict.damages == ()
    assert verdict.roots == {"study": forged_root}
    assert_found(copy, RUN, 0, trust=PINS)
    for event in stored(log):
        if event.revision == 0:
            assert_found(copy, event.stream, 0, trust=PINS)
    (root,) = verify_store(log).roots.values()
    assert [one.kind for one in verify_store(copy, root=root).damages] == ["root"]


def test_a_foreign_start_does_not_take_over_the_agents_of_a_run(log: Path):
    start = stored(log)[0]
    data = start.data.replace(b'"run":"study"', b'"run":"evil"')
    data = re.sub(rb"did:key:\w+", FOREIGN.did.encode(), data)
    unsigned = re.sub(rb"did:key:\w+", FOREIGN.did.encode(), start.unsigned)
    evil = start._replace(position=1_000, stream="system-evil", data=data)
    copy = damaged(log, adding(signed(evil, FOREIGN.sign, unsigned)))
    assert verify_store(copy).damages == ()
    assert [one.stream for one in verify_store(copy, trust=PINS).damages] == ["system-evil"]


def test_streams_of_other_programs_are_named_and_not_checked(log: Path):
    start = stored(log)[0]
    order = start._replace(position=1_000, stream="orders-1", type="Placed", data=b"{}")
    plain = damaged(log, adding(order._replace(metadata=b'{"by":"shop"}')))
    verdict = verify_store(plain, trust=PINS)
    assert (verdict.damages, verdict.others) == ((), ("orders-1",))
    assert verdict.roots == verify_store(log).roots
    assert_found(damaged(log, adding(order)), "orders-1", 0)


def test_a_start_in_the_stream_of_another_run_is_not_believed(log: Path):
    start = stored(log)[0]
    moved = start._replace(position=1_000, stream="system-evil")
    assert_found(damaged(log, adding(moved)), "system-evil", 0)


@pytest.mark.parametrize(
    ("found", "other"),
    [
        (b'"name":"watcher"', b'"mane":"watcher"'),
        (b'"did":', b'"dad":'),
        (b'"name":"follower"', b'"name":["follower"]'),
        (b'"name":"rates"', b'"name":null'),
        (b'"digest":', b'"digits":'),
        (b'"agents":[', b'"agents":[5,'),
        (b'"author":"', b'"author":"x'),
        (b'"run":"study"', b'"run":"studx"'),
        (b'"run_id":"', b'"run_id":"0'),
        (b'"run"', b'"\xff"'),
        (b'"agents":[', b'"agents":[{"a":' + b"[" * 100_000),
    ],
)
def test_a_start_that_cannot_be_read_is_found(log: Path, found: bytes, other: bytes):
    start = stored(log)[0]
    data = start.data.replace(found, other)
    assert data != start.data
    copy = damaged(log, setting(start.position, data=data))
    assert_found(copy, RUN, 0)
    assert_found(copy, RUN, 0, trust=PINS)


@pytest.mark.parametrize("value", ["text", 5, 0.5, b"", "", b"\0" * 15, b"\0" * 17, -(2**63)])
@pytest.mark.parametrize("column", ["event_id", "type", "data", "metadata"])
def test_a_value_of_another_type_is_found(log: Path, column: str, value: object):
    for event in (stored(log)[0], stored(log)[5], stored(log)[-1]):
        copy = damaged(log, setting(event.position, **{column: value}))
        assert_found(copy, event.stream, event.revision)


@pytest.mark.parametrize("value", [-1, 99, 0.5, "text", b"x", 2**63 - 1])
def test_a_revision_that_is_none_is_found(log: Path, value: object):
    for event in (stored(log)[1], stored(log)[8]):
        verdict = verify_store(damaged(log, setting(event.position, revision=value)))
        assert verdict.damages


@pytest.mark.parametrize("hard", [False, True])
def test_a_stream_that_was_deleted_is_verified_and_told(log: Path, hard: bool):
    copy = damaged(log)
    whole = verify_store(copy)
    with SqliteStore.open(copy) as store:
        length = store.revision("agent-watcher/base/usdc") + 1
        store.delete("agent-watcher/base/usdc", hard=hard)
    verdict = verify_store(copy)
    assert (verdict.damages, verdict.roots, verdict.events) == ((), whole.roots, whole.events)
    assert verdict.hidden == {"agent-watcher/base/usdc": length}


@pytest.mark.parametrize("hard", [False, True])
def test_damage_in_a_stream_that_was_deleted_is_found(log: Path, hard: bool):
    event = next(one for one in stored(log) if one.stream == "agent-watcher/base/usdc")
    copy = damaged(log, setting(event.position, data=event.data + b" "))
    with SqliteStore.open(copy) as store:
        store.delete(event.stream, hard=hard)
    assert_found(copy, event.stream, event.revision)


def test_a_stream_whose_beginning_is_hidden_is_verified_and_told(log: Path):
    copy = damaged(log)
    with SqliteStore.open(copy) as store:
        truncation = NewEvent(named_id("m"), "$metadata", b'{"$tb":1}', b"")
        store.append("$$agent-watcher/base/usdc", Expected.ANY, [truncation])
    verdict = verify_store(copy)
    assert (verdict.damages, verdict.hidden) == ((), {"agent-watcher/base/usdc": 1})


@pytest.mark.parametrize("hide", ["truncate", "delete"])
def test_a_run_whose_own_stream_is_hidden_is_as_complete_as_before(log: Path, hide: str):
    (run,) = verify_store(log).roots
    copy = damaged(log)
    with SqliteStore.open(copy) as store:
        if hide == "delete":
            store.delete(run_stream(run))
        else:
            truncation = NewEvent(named_id("m"), "$metadata", b'{"$tb":1000}', b"")
            store.append(f"$${run_stream(run)}", Expected.ANY, [truncation])
    verdict = verify_store(copy)
    assert (verdict.damages, verdict.unfinished) == ((), {})
    assert verdict.hidden[run_stream(run)] >= 2


def test_a_stream_name_that_is_no_text_is_found(log: Path):
    sql = "UPDATE streams SET name = CAST(name AS BLOB) WHERE name = 'agent-watcher/base/usdc'"
    found = verify_store(damaged(log, lambda connection: connection.execute(sql))).damages
    assert "form" in {one.kind for one in found}


def test_metadata_nested_beyond_reading_is_found(log: Path):
    event = stored(log)[5]
    nested = b'{"a":' + b"[" * 100_000 + event.metadata[-103:]
    assert_found(
        damaged(log, setting(event.position, metadata=nested)), event.stream, event.revision
    )


def test_a_file_without_its_tables_is_a_damaged_store(log: Path):
    copy = damaged(log, lambda connection: connection.execute("DROP TABLE events"))
    with pytest.raises(StoreDamaged, match=r"damaged\.db"):
        verify_store(copy)


def test_a_store_that_is_no_database_is_damaged(log: Path, tmp_path: Path):
    half = tmp_path / "half.db"
    half.write_bytes(log.read_bytes()[:5000])
    with pytest.raises(StoreDamaged):
        verify_store(half)


def test_dropping_only_the_end_of_a_run_leaves_the_log_of_a_run_that_has_not_ended(log: Path):
    """Nothing decided is lost by it, and its root is the same."""
    (root,) = verify_store(log).roots.values()
    end = stored(log)[-1]
    assert end.type == RunCompleted.__name__
    verdict = verify_store(damaged(log, dropping(end.position)), root=root)
    assert verdict.damages == ()
    assert verdict.roots == {"study": root}


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE events SET recorded_at = recorded_at + 1",
        "UPDATE events SET position = position + 1000 WHERE position = 38",
        "DELETE FROM checkpoints",
        "DELETE FROM snapshot_parts",
        "UPDATE snapshot_parts SET state = x'00'",
        "UPDATE checkpoints SET cursor = 'x'",
    ],
)
def test_what_no_author_wrote_is_not_covered(log: Path, sql: str):
    """When the store took an event, its place in the log, and what a run may be rebuilt from."""

    def edit(connection: sqlite3.Connection) -> None:
        assert connection.execute(sql).rowcount > 0

    assert verify_store(damaged(log, edit)).damages == ()


def test_progress_is_told_stream_by_stream(log: Path):
    told: list[tuple[int, int]] = []
    verify_store(log, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 6) for done in range(1, 7)]


def test_damage_is_told_with_its_place(log: Path):
    event = stored(log)[9]
    copy = damaged(log, setting(event.position, data=b"{}"))
    (damage,) = verify_store(copy).damages
    assert str(damage) == (
        f"{event.stream} event {event.revision} (position {event.position}):"
        " the signature does not hold over its bytes"
    )


def _rewritten(log: Path) -> tuple[Path, str]:
    """The log as it would be had a foreigner written it, and its root."""
    heads: dict[str, str] = {}
    edits = []
    for event in stored(log):
        new = _by_foreigner(event, heads.get(event.stream, GENESIS), heads)
        heads[event.stream] = recorded_digest(new)  # type: ignore[arg-type]
        edits.append(setting(event.position, **contents(new)))
    return damaged(log, *edits), _root(heads)


def _by_foreigner(event: Stored, previous: str, heads: dict[str, str]) -> Stored:
    data = re.sub(rb"did:key:\w+", FOREIGN.did.encode(), event.data)
    if event.type == RunCompleted.__name__:
        ended = RunCompleted.model_validate_json(data)
        body = ended.model_copy(update={"root": _root(heads)}).model_dump()
        data = msgspec.json.encode(body)
    unsigned = re.sub(rb"did:key:\w+", FOREIGN.did.encode(), event.unsigned)
    unsigned = re.sub(rb'"previous":"\w+"', b'"previous":"%b"' % previous.encode(), unsigned)
    return signed(event._replace(data=data), FOREIGN.sign, unsigned)


def _root(heads: dict[str, str]) -> str:
    return run_root({stream: head for stream, head in heads.items() if stream != RUN})
