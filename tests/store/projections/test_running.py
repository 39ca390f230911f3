"""Projections of users over a store: once whatever happens, from the same place after a stop."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.errors import (
    ProjectionActive,
    ProjectionExists,
    ProjectionInvalid,
    ProjectionMissing,
)
from runtime.store import SqliteStore
from runtime.store.projections import Definition, Dropped, Limits, Mode, Status
from tests.store.projections.running import (
    append,
    contents,
    continuous,
    ended,
    kill_at,
    projecting,
    settle,
)
from tests.support.seeds import seeded
from tests.support.waiting import becomes

QUICK = Limits(seconds=2)
SUMS = """fromAll().foreachStream().when({
    $init: () => ({n: 0}),
    Added(s, e) { s.n += e.data.x; emit('sums', 'Sum', {of: e.streamId, n: s.n}) }
}).transformBy(s => ({total: s.n})).outputState()"""
COUNT = "fromAll().when({$init: () => ({n: 0}), Added(s) { s.n += 1 }})"
MADE = ("sums", "$projections-sums")


def data_of(store: SqliteStore, stream: str) -> list[object]:
    return [json.loads(event.data) for event in store.read_stream(stream)]


def added(store: SqliteStore, stream: str, *numbers: int) -> None:
    append(store, stream, *[f'{{"x": {n}}}' for n in numbers])


class TestOutput:
    def test_states_results_and_events(self, path: Path) -> None:
        with SqliteStore.open(path) as store, projecting(store) as projections:
            added(store, "a-1", 1, 2)
            added(store, "b-1", 5)
            projections.create(continuous("sums", SUMS))
            settle(projections, store)
            assert projections.state("sums", "a-1") == '{"n":3}'
            assert projections.result("sums", "b-1") == '{"total":5}'
            assert projections.state("sums", "none") is None
            assert [e["n"] for e in data_of(store, "sums")] == [1, 3, 5]  # type: ignore[index]
            assert data_of(store, "$projections-sums-a-1-result") == [{"total": 1}, {"total": 3}]
            links = [e.data.decode() for e in store.read_stream("$projections-sums-result")]
            one, other = "$projections-sums-a-1-result", "$projections-sums-b-1-result"
            assert links == [f"0@{one}", f"1@{one}", f"0@{other}"]

    def test_causes_are_passed_on(self, path: Path) -> None:
        with SqliteStore.open(path) as store, projecting(store) as projections:
            append(store, "a-1", '{"x": 1}', metadata='{"$correlationId": "c"}')
            projections.create(continuous("sums", SUMS))
            settle(projections, store)
            (event,) = store.read_stream("sums")
            (cause,) = store.read_stream("a-1")
            metadata = json.loads(event.metadata)
            assert metadata["$correlationId"] == "c"
            assert metadata["$causedBy"].replace("-", "") == cause.event_id.hex()

    def test_links_are_followed(self, path: Path) -> None:
        query = """fromCategory('a').foreachStream().when({
            $any(s, e) { s.seen = [e.streamId, e.sequenceNumber, e.linkMetadata.$o] },
            $deleted(s) { s.gone = true }})"""
        with SqliteStore.open(path) as store, projecting(store, standard=True) as projections:
            projections.create(continuous("seen", query))
            added(store, "a-1", 1, 2)
            added(store, "b-1", 1)
            settle(projections, store)
            assert projections.state("seen", "a-1") == '{"seen":["a-1",1,"a-1"]}'
            assert projections.state("seen", "b-1") is None
            store.delete("a-1", hard=True)
            settle(projections, store)
            assert json.loads(projections.state("seen", "a-1") or "")["gone"] is True

    def test_streams_are_merged_in_the_order_of_the_log(self, path: Path) -> None:
        query = """fromStreams(['a', 'b']).when({
            $init: () => [], Added(s, e) { s.push(e.streamId + e.sequenceNumber) }})"""
        with SqliteStore.open(path) as store, projecting(store) as projections:
            for stream in ("a", "b", "c", "a", "ab"):
                added(store, stream, 1)
            projections.create(continuous("merged", query))
            settle(projections, store)
            assert projections.state("merged") == '["a0","b0","a1"]'

    @pytest.mark.parametrize("limits", [Limits(partitions=7), Limits(memory=16 * 2**20)])
    def test_more_partitions_than_are_held(self, path: Path, limits: Limits) -> None:
        query = """fromAll().partitionBy(e => e.data.x).when({
            $init: () => ({n: 0, pad: 'x'.repeat(10000)}), Added(s) { s.n += 1 }})"""
        limits = replace(limits, seconds=20, events=20)
        with SqliteStore.open(path) as store, projecting(store, limits) as projections:
            projections.create(continuous("parts", query))
            for _ in range(2):
                added(store, "a-1", *range(120))
            settle(projections, store)
            states = [json.loads(projections.state("parts", str(i)) or "") for i in range(120)]
            assert {state["n"] for state in states} == {2}

    def test_partitions_of_any_name(self, path: Path) -> None:
        names = ["__proto__", "constructor", "\u20ac/\"'", " ", "{0}"]
        query = "fromAll().partitionBy(e => e.data).when({Added(s) { s.n = (s.n || 0) + 1 }})"
        with SqliteStore.open(path) as store:
            for _ in range(2):
                with projecting(store) as projections:
                    if projections.reports()[-1].definition.name != "names":
                        projections.create(continuous("names", query))
                    append(store, "a-1", *map(json.dumps, names))
                    settle(projections, store)
                    states = {projections.state("names", name) for name in names}
            assert states == {'{"n":2}'}


class TestOnce:
    @pytest.mark.parametrize("size", [1, 3, 256])
    def test_how_the_log_is_cut_makes_no_difference(self, path: Path, size: int) -> None:
        with SqliteStore.open(path) as store:
            added(store, "a-1", *range(20))
            added(store, "b-1", *range(20))
            with projecting(store, Limits(seconds=20, events=size)) as projections:
                projections.create(continuous("sums", SUMS))
                settle(projections, store)
                assert len(data_of(store, "sums")) == 40
                assert projections.state("sums", "a-1") == '{"n":190}'
                assert len(data_of(store, "$projections-sums-a-1-result")) == 19 + 1

    def test_it_goes_on_after_a_restart(self, path: Path) -> None:
        with SqliteStore.open(path) as store:
            with projecting(store) as projections:
                projections.create(continuous("sums", SUMS))
                added(store, "a-1", 1, 2)
                settle(projections, store)
            added(store, "a-1", 3)
            with projecting(store) as projections:
                settle(projections, store)
                assert projections.state("sums", "a-1") == '{"n":6}'
                assert projections.result("sums", "a-1") == '{"total":6}'
                assert len(data_of(store, "sums")) == 3

    def test_where_the_process_is_killed_makes_no_difference(self, tmp_path: Path) -> None:
        random_ = seeded()
        killed, whole = tmp_path / "killed.db", tmp_path / "whole.db"
        with SqliteStore.open(killed) as store:
            for _ in range(40):
                added(store, random_.choice(("a-1", "b-1")), random_.randrange(9))
        with SqliteStore.open(killed) as store, projecting(store) as projections:
            definition = continuous("sums", SUMS, track=True)
            projections.create(definition)
            projections.disable("sums", checkpoint=False)
            projections.reset("sums")
        whole.write_bytes(killed.read_bytes())
        for _ in range(2):
            kill_at(CHILD, random_.randrange(1, 12), killed)
        made = []
        for path in (killed, whole):
            with SqliteStore.open(path) as store, projecting(store) as projections:
                projections.enable("sums")
                settle(projections, store)
                found = contents(store, *MADE)
                del found["$projections-sums"]
                made.append((found, projections.state("sums", "a-1")))
        assert made[0] == made[1]


CHILD = """
import sys
from threading import Event
from runtime.store import SqliteStore
from runtime.store.projections import Limits, Projections
with SqliteStore.open(sys.argv[1]) as store:
    projections = Projections(store, Limits(seconds=20, events=2))
    projections.open()
    projections.enable("sums")
    while True:
        print(projections.report("sums").progress.handled, flush=True)
        Event().wait(0.002)
"""
"""Tells how many events the projection `sums` has handled."""


class TestFaults:
    @pytest.mark.parametrize(
        ("handler", "told"),
        [
            ("throw new Error('no')", "Error: no; at event 2@a-1, position"),
            ("for (;;) {}", "at event 2@a-1, position"),
            ("const a = []; for (;;) a.push(new Uint8Array(1 << 24).fill(1))", "at event 2@a-1"),
        ],
    )
    def test_what_came_before_is_kept(self, path: Path, handler: str, told: str) -> None:
        query = f"""fromAll().when({{Added(s, e) {{
            if (e.data.x === 2) {{ {handler} }} s.x = e.data.x; emit('out', 'T', s) }}}})"""
        with SqliteStore.open(path) as store, projecting(store, QUICK) as projections:
            added(store, "a-1", 0, 1, 2, 3)
            projections.create(continuous("bad", query))
            projections.create(continuous("good", COUNT))
            progress = ended(projections, "bad")
            assert progress.status is Status.FAULTED
            assert told in progress.reason
            assert projections.state("bad") == '{"x":1}'
            assert data_of(store, "out") == [{"x": 0}, {"x": 1}]
            settle(projections, store)
            assert projections.state("good") == '{"n":4}'
            projections.update("bad", query.replace(handler, ""), None)
            settle(projections, store)
            assert data_of(store, "out") == [{"x": i} for i in range(4)]

    def test_a_target_that_is_deleted_for_good(self, path: Path) -> None:
        with SqliteStore.open(path) as store, projecting(store) as projections:
            added(store, "sums", 1)
            store.delete("sums", hard=True)
            added(store, "a-1", 1)
            projections.create(continuous("sums", SUMS))
            progress = ended(projections, "sums")
            assert progress.status is Status.FAULTED
            assert "'sums'" in progress.reason
            assert "deleted" in progress.reason

    def test_a_state_that_another_projection_keeps_there(self, path: Path) -> None:
        query = "fromAll().partitionBy(() => 'b').when({Added(s) { s.n = 1 }})"
        with SqliteStore.open(path) as store, projecting(store) as projections:
            added(store, "x", 1)
            projections.create(continuous("a-b", COUNT))
            settle(projections, store)
            projections.create(continuous("a", query))
            assert "holds the state of projection 'a-b'" in ended(projections, "a").reason
            assert projections.state("a-b") == '{"n":1}'

    def test_a_checkpoint_that_is_deleted_for_good(self, path: Path) -> None:
        with SqliteStore.open(path) as store:
            added(store, "a-1", 1)
            with projecting(store) as projections:
                projections.create(continuous("count", COUNT))
                settle(projections, store)
            store.delete("$projections-count-checkpoint", hard=True)
            with projecting(store) as projections:
                assert projections.report("count").progress.status is Status.FAULTED
                projections.delete("count", Dropped(checkpoints=True))

    def test_a_definition_that_cannot_be_read(self, path: Path) -> None:
        with SqliteStore.open(path) as store:
            with projecting(store) as projections:
                projections.create(continuous("count", COUNT))
            append(store, "$projections-count", "{")
            with projecting(store) as projections:
                report = projections.report("count")
                assert report.progress.status is Status.FAULTED
                assert "cannot be read" in report.progress.reason
                projections.delete("count", Dropped())
            with projecting(store) as projections, pytest.raises(ProjectionMissing):
                projections.report("count")


class TestControl:
    def test_reset_begins_anew_and_truncates_what_was_emitted(self, path: Path) -> None:
        with SqliteStore.open(path) as store, projecting(store) as projections:
            added(store, "a-1", 1, 2)
            projections.create(continuous("sums", SUMS))
            settle(projections, store)
            projections.reset("sums")
            settle(projections, store)
            becomes(lambda: projections.state("sums", "a-1"), '{"n":3}')
            assert [e["n"] for e in data_of(store, "sums")] == [1, 3]  # type: ignore[index]
            assert [e.revision for e in store.read_stream("sums")] == [2, 3]
            assert data_of(store, "$projections-sums-a-1-result") == [{"total": 1}, {"total": 3}]

    def test_a_stopped_one_that_is_reset_has_no_state(self, path: Path) -> None:
        with SqliteStore.open(path) as store, projecting(store) as projections:
            added(store, "a-1", 1)
            projections.create(continuous("count", COUNT))
            settle(projections, store)
            projections.disable("count")
            assert projections.state("count") == '{"n":1}'
            projections.reset("count")
            assert projections.state("count") is None
            assert projections.report("count").progress.position == -1

    def test_disable_keeps_how_far_it_came_or_does_not(self, path: Path) -> None:
        with SqliteStore.open(path) as store:
            with projecting(store) as projections:
                projections.create(continuous("count", "fromAll().when({Never() {}})"))
                added(store, "a-1", 1)
                settle(projections, store)
                projections.disable("count", checkpoint=False)
                assert projections.report("count").progress.status is Status.ABORTED
                projections.enable("count")
                settle(projections, store)
                projections.disable("count")
                assert projections.report("count").progress.status is Status.STOPPED
            with projecting(store) as projections:
                progress = projections.report("count").progress
                assert progress.status is Status.STOPPED
                assert progress.position >= 1

    def test_it_may_be_stopped_before_it_has_a_state(self, path: Path) -> None:
        with SqliteStore.open(path) as store, projecting(store) as projections:
            append(store, "a-1", "{}", kind="Other")
            projections.create(continuous("count", COUNT))
            settle(projections, store)
            projections.disable("count")
            assert projections.state("count") is None
            projections.enable("count")
            added(store, "a-1", 1)
            settle(projections, store)
            assert projections.state("count") == '{"n":1}'

    def test_update_goes_on_with_the_state(self, path: Path) -> None:
        with SqliteStore.open(path) as store, projecting(store) as projections:
            projections.create(continuous("count", COUNT))
            added(store, "a-1", 1)
            settle(projections, store)
            projections.update("count", COUNT.replace("+= 1", "+= 10"), None)
            added(store, "a-1", 1)
            settle(projections, store)
            assert projections.state("count") == '{"n":11}'

    def test_delete_with_all_its_streams(self, path: Path) -> None:
        with SqliteStore.open(path) as store, projecting(store) as projections:
            added(store, "a-1", 1)
            projections.create(continuous("sums", SUMS, track=True))
            settle(projections, store)
            with pytest.raises(ProjectionActive):
                projections.delete("sums", Dropped())
            projections.disable("sums")
            projections.delete("sums", Dropped(checkpoints=True, results=True, emitted=True))
            left = [n for prefix in MADE for n in store.streams(prefix) if store.revision(n) >= 0]
            assert left == []
            with pytest.raises(ProjectionMissing):
                projections.state("sums")
            projections.create(continuous("sums", SUMS))
            settle(projections, store)
            assert projections.state("sums", "a-1") == '{"n":1}'

    def test_what_is_refused(self, path: Path) -> None:
        with SqliteStore.open(path) as store, projecting(store) as projections:
            projections.create(continuous("count", COUNT))
            with pytest.raises(ProjectionExists):
                projections.create(continuous("count", COUNT))
            with pytest.raises(ProjectionExists):
                projections.create(continuous("$by_category", COUNT))
            with pytest.raises(ProjectionInvalid):
                projections.update("count", "fromAll(", None)
            with pytest.raises(ProjectionActive):
                projections.delete("$by_category", Dropped())
            with pytest.raises(ProjectionMissing):
                projections.enable("nothing")

    def test_there_may_be_so_many(self, path: Path) -> None:
        limits = Limits(seconds=20, projections=1, query=100)
        with SqliteStore.open(path) as store, projecting(store, limits) as projections:
            with pytest.raises(ProjectionInvalid, match="more than 100 bytes"):
                projections.create(continuous("long", COUNT + " " * 100))
            projections.create(continuous("count", COUNT))
            with pytest.raises(ProjectionInvalid, match="delete one first"):
                projections.create(continuous("other", COUNT))

    def test_a_transient_one_ends_at_the_end_and_is_forgotten(self, path: Path) -> None:
        with SqliteStore.open(path) as store, projecting(store) as projections:
            added(store, "a-1", 1, 2)
            end = store.end()
            query = f"{COUNT}.transformBy(s => [s.n]).outputState()"
            once = Definition("once", 0, query, mode=Mode.TRANSIENT, enabled=True)
            projections.create(once)
            assert ended(projections, "once").status is Status.COMPLETED
            assert projections.state("once") == '{"n":2}'
            assert projections.result("once") == "[2]"
            assert store.end() == end
            projections.restart()
            with pytest.raises(ProjectionMissing):
                projections.report("once")
