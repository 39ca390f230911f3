from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runtime.errors import (
    FeedChanged,
    LucentError,
    RunConflict,
    StoreDamaged,
)
from runtime.events import RunResumed
from runtime.jobs.code import Edited
from runtime.jobs.launch import run
from runtime.jobs.verification import verify_store
from runtime.store import SqliteStore
from tests.support.damage import setting, stored, stream_of
from tests.support.jobs import follower, job, rates_feed, run_in, run_until, watcher, write_rates

RUN = "system-study"


def test_a_run_records_its_start_and_its_end(tmp_path: Path):
    outcome = run_in(tmp_path)
    start, end = (msgspec.json.decode(event.data) for event in stream_of(outcome.store, RUN))
    assert start["run"] == "study"
    assert start["run_id"] == end["run_id"] == outcome.run_id
    assert [agent["name"] for agent in start["agents"]] == ["watcher", "follower"]
    assert start["locations"] == {"rates": str(tmp_path / "rates.parquet")}
    assert {"python", "platform", "lucent", "processor"} <= set(start["fingerprint"])
    assert (end["root"], end["streams"], end["decisions"]) == (outcome.root, 5, 36)


def test_nothing_that_is_signed_comes_from_a_clock(tmp_path: Path):
    one = run_in(tmp_path)
    two = run_in(tmp_path, store={"path": "again.db"})
    assert one.root == two.root
    pairs = zip(stream_of(one.store, RUN), stream_of(two.store, RUN), strict=True)
    assert all(first[2:] == second[2:] for first, second in pairs)


def test_a_completed_run_that_is_run_again_changes_nothing(tmp_path: Path):
    first = run_in(tmp_path)
    before = stored(first.store)
    again = run_in(tmp_path)
    assert stored(again.store) == before
    assert (again.root, again.decisions, again.streams) == (first.root, 36, 5)
    assert again.completed
    assert again.resumed
    assert again.events == 0


MINE = """
from tests.support.strategies import Seen
from runtime.deciding import Decision, Strategy


class Mine(Strategy[Seen]):
    name = "mine"
    version = "1"
    inputs = {"rate": float}
    State = Seen

    def on_event(self, state, event):
        return Decision("hold", 0.5)
"""


def test_a_file_that_was_edited_under_the_same_version_is_told_once_and_recorded(tmp_path: Path):
    file = tmp_path / "edited_between.py"
    file.write_text(MINE)
    mine = watcher(strategy="edited_between:Mine", parameters={}, listens=["PoolRateObserved"])
    config = job(tmp_path, agents=[mine])
    assert run_until(config, 1).notes == ()
    assert run_until(config, 1).notes == (), "nothing was edited"
    file.write_text(MINE + "# edited\n")
    (note,) = run_until(config, 1).notes
    assert "the file of 'edited_between:Mine' was edited since: agent 'watcher' goes on" in note
    ended = run(config)
    assert (ended.completed, ended.notes) == (True, ())
    assert verify_store(ended.store).edited == ((RUN, Edited(4, "watcher")),)


@pytest.mark.parametrize("parts", [1, 3, 6])
def test_a_run_that_was_paused_ends_with_the_root_of_one_that_was_not(tmp_path: Path, parts: int):
    whole = run_in(tmp_path, store={"path": "whole.db"})
    paused = run_until(job(tmp_path), parts)
    again = run_until(job(tmp_path), parts)
    ended = run_in(tmp_path)
    assert paused.decisions <= again.decisions <= ended.decisions
    assert (ended.root, ended.decisions) == (whole.root, whole.decisions)
    assert ended.completed
    types = [event.type for event in stream_of(ended.store, RUN)]
    assert types[:3] == ["RunStarted", "RunPaused", "RunResumed"]
    assert types[-1] == "RunCompleted"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"agents": [watcher(every=3), follower()]}, "other parameters of 'watcher'"),
        ({"agents": [watcher(), follower("tail")]}, r"other agents \(follower, watcher\)"),
        ({"agents": [watcher(), follower(key="origin")]}, "another key of 'follower'"),
        ({"feeds": [rates_feed(policy="skip")]}, "another policy of 'rates'"),
        ({"feeds": [rates_feed(name="other")]}, r"other feeds \(rates\)"),
    ],
)
def test_another_run_of_the_same_name_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
):
    before = stored(run_in(tmp_path).store)
    with pytest.raises(RunConflict, match=said):
        run_in(tmp_path, **changes)
    assert stored(tmp_path / "log.db") == before


def test_a_feed_that_changed_is_named(tmp_path: Path):
    run_until(job(tmp_path), 3)
    write_rates(tmp_path / "rates.parquet", shift=0.001)
    before = stored(tmp_path / "log.db")
    with pytest.raises(FeedChanged, match="content of feed 'rates' changed"):
        run_in(tmp_path)
    assert stored(tmp_path / "log.db") == before
    write_rates(tmp_path / "rates.parquet")
    assert run_in(tmp_path).completed


def test_a_feed_may_be_moved(tmp_path: Path):
    run_until(job(tmp_path), 3)
    (tmp_path / "rates.parquet").rename(tmp_path / "moved.parquet")
    assert run_in(tmp_path, feeds=[rates_feed("moved.parquet")]).completed


def test_agents_belong_to_one_run_of_a_store(tmp_path: Path):
    run_in(tmp_path)
    with pytest.raises(RunConflict, match=r"agent 'watcher' has its streams .* from run 'study'"):
        run_in(tmp_path, run={"name": "second"}, agents=[watcher()])
    assert run_in(tmp_path, run={"name": "second"}, agents=[watcher("other")]).completed


def test_a_run_whose_start_cannot_be_read_is_not_gone_on_with(tmp_path: Path):
    run_until(job(tmp_path), 3)
    log = tmp_path / "log.db"
    _edit(log, 1, data=b"{}")
    with pytest.raises(RunConflict, match="see 'lucent verify'"):
        run_in(tmp_path)


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("UPDATE checkpoints SET cursor = 'x'", StoreDamaged),
    ],
)
def test_a_damaged_place_to_go_on_from_is_told(tmp_path: Path, sql: str, error: type[LucentError]):
    run_until(job(tmp_path), 3)
    with closing(sqlite3.connect(tmp_path / "log.db")) as connection, connection:
        assert connection.execute(sql).rowcount > 0
    with pytest.raises(error):
        run_in(tmp_path)


def _edit(log: Path, position: int, **columns: object) -> None:
    with closing(sqlite3.connect(log)) as connection, connection:
        setting(position, **columns)(connection)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE snapshots SET cursor = '{}'",
        "UPDATE snapshot_parts SET state = x'00'",
        "DELETE FROM snapshot_parts WHERE key_group = (SELECT min(key_group) FROM snapshot_parts)",
    ],
)
def test_a_damaged_snapshot_is_reported_and_never_used(tmp_path: Path, sql: str):
    whole = run_in(tmp_path, store={"path": "whole.db"})
    run_until(job(tmp_path), 3)
    with closing(sqlite3.connect(tmp_path / "log.db")) as connection, connection:
        assert connection.execute(sql).rowcount > 0
    ended = run_in(tmp_path)
    assert ended.root == whole.root
    with SqliteStore.open(tmp_path / "log.db", writer=False) as store:
        (resumed,) = (
            event for event in store.read_stream("system-study") if event.type == "RunResumed"
        )
    refused = RunResumed.model_validate_json(resumed.data).refused_snapshots
    assert refused
    assert all("snapshot 'study/" in one for one in refused)
    assert ended.notes == refused, "and told"
