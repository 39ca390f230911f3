from __future__ import annotations

import json
import random
import sys
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from runtime.errors import ProjectionInvalid
from runtime.events import NewEvent, RecordedEvent, id_text, named_id
from runtime.store import Expected, SqliteStore
from runtime.store.projections import Limits, Status, standard_definitions
from runtime.store.projections.standard import rule_of
from tests.store.projections.running import (
    append,
    contents,
    kill_at,
    projecting,
    settle,
)
from tests.support.seeds import seeded
from tests.support.waiting import becomes, until

DERIVED = ("$ce-", "$et-", "$bc-", "$category-", "$streams")
KILLS = 4


def data_of(store: SqliteStore, stream: str) -> list[str]:
    return [event.data.decode() for event in store.read_stream(stream)]


class TestLinks:
    def test_of_each_projection(self, path: Path) -> None:
        with SqliteStore.open(path) as store, projecting(store, standard=True) as projections:
            append(store, "acc-1-x", "{}", "{}", metadata='{"$correlationId": "c"}')
            append(store, "plain", "{}", kind="Other")
            settle(projections, store)
            assert data_of(store, "$ce-acc") == ["0@acc-1-x", "1@acc-1-x"]
            assert data_of(store, "$et-Added") == ["0@acc-1-x", "1@acc-1-x"]
            assert data_of(store, "$et-Other") == ["0@plain"]
            assert data_of(store, "$bc-c") == ["0@acc-1-x", "1@acc-1-x"]
            assert data_of(store, "$category-acc") == ["acc-1-x"]
            assert data_of(store, "$streams") == ["0@acc-1-x", "0@plain"]
            assert store.streams("$ce-") == ["$ce-acc"]

    def test_metadata_of_links(self, path: Path) -> None:
        with SqliteStore.open(path) as store, projecting(store, standard=True) as projections:
            append(store, "acc-1", "{}", metadata='{"$correlationId": "c", "mine": 1}')
            settle(projections, store)
            (source,) = store.read_stream("acc-1")
            (link,) = store.read_stream("$ce-acc")
            (timed,) = store.read_stream("$bc-c")
        metadata = json.loads(link.metadata)
        assert (link.type, link.json) == ("$>", False)
        assert metadata["$causedBy"] == id_text(source.event_id)
        assert (metadata["$c"], metadata["$p"]) == (source.position, source.position)
        assert (metadata["$o"], metadata["$correlationId"]) == ("acc-1", "c")
        assert json.loads(timed.metadata)["$eventTimestamp"].endswith("Z")

    def test_of_deletions(self, path: Path) -> None:
        with SqliteStore.open(path) as store, projecting(store, standard=True) as projections:
            append(store, "acc-1", "{}")
            append(store, "acc-2", "{}")
            store.delete("acc-1")
            store.delete("acc-2", hard=True)
            settle(projections, store)
            last = 2**63 - 1
            links = ["0@acc-1", "0@acc-2", "0@$$acc-1", f"{last}@acc-2"]
            assert data_of(store, "$ce-acc") == links
            assert data_of(store, "$et-$deleted") == ["0@acc-1", f"{last}@acc-2"]
            notes = [json.loads(e.metadata) for e in store.read_stream("$ce-acc")][2:]
            assert [(n["$o"], n["$deleted"]) for n in notes] == [("acc-1", -1), ("acc-2", -1)]

    def test_what_is_declared_json_and_is_none_has_none(self, path: Path) -> None:
        with SqliteStore.open(path) as store, projecting(store, standard=True) as projections:
            raw = NewEvent(named_id("raw"), "Added", b"\xff", b"", json=False)
            broken = NewEvent(named_id("broken"), "Added", b"{", b"")
            store.append("acc-1", Expected.ANY, [broken, raw])
            settle(projections, store)
            assert data_of(store, "$ce-acc") == ["1@acc-1"]

    def test_links_are_not_indexed_by_type_but_are_by_category(self, path: Path) -> None:
        with SqliteStore.open(path) as store, projecting(store, standard=True) as projections:
            append(store, "a-1", "{}")
            link = NewEvent(named_id("link"), "$>", b"0@a-1", b"", json=False)
            store.append("b-1", Expected.ANY, [link])
            settle(projections, store)
            assert data_of(store, "$ce-b") == ["0@a-1"]
            assert store.revision("$et-$>") == -1

    def test_separators_and_properties_can_be_changed(self, path: Path) -> None:
        with SqliteStore.open(path) as store, projecting(store, standard=True) as projections:
            projections.update("$by_category", "last\n-", None)
            projections.update("$by_correlation_id", '{"correlationIdProperty": "mine"}', None)
            append(store, "a-b-1", "{}", metadata='{"mine": "m"}')
            settle(projections, store)
            assert data_of(store, "$ce-a-b") == ["0@a-b-1"]
            assert data_of(store, "$bc-m") == ["0@a-b-1"]

    def test_correlations_that_are_numbers_count_as_text(self, path: Path) -> None:
        with SqliteStore.open(path) as store, projecting(store, standard=True) as projections:
            append(store, "a-1", "{}", metadata='{"$correlationId": 7}')
            append(store, "a-1", "{}", metadata='{"$correlationId": true}')
            settle(projections, store)
            assert store.streams("$bc-") == ["$bc-7"]
            assert data_of(store, "$bc-7") == ["0@a-1"]

    @pytest.mark.parametrize(
        ("name", "query"),
        [
            ("$by_category", "middle\n-"),
            ("$by_category", "first"),
            ("$stream_by_category", ""),
            ("$by_correlation_id", '{"correlationIdProperty": 1}'),
            ("$by_correlation_id", "{"),
            ("$streams", "fromAll()"),
        ],
    )
    def test_queries_that_are_none(self, path: Path, name: str, query: str) -> None:
        with SqliteStore.open(path) as store, projecting(store) as projections:
            with pytest.raises(ProjectionInvalid):
                projections.update(name, query, None)
            assert projections.report(name).definition.query != query

    def test_names_and_metadata_of_any_kind(self) -> None:
        rules = [rule_of(definition) for definition in standard_definitions().values()]
        for stream in ("-", "--", "a-", "\u20ac-1", "$", "$$a-1", "$$$x", "a"):
            for metadata in (b"", b"[", b"[]", b'{"$correlationId": null}', b"\xff", b"1"):
                event = RecordedEvent(1, stream, 0, bytes(16), "T", b"{}", metadata, 0)
                for rule in rules:
                    assert all(made.stream for made in rule(event))


def written(random_: random.Random, store: SqliteStore, count: int) -> None:
    """A log of all that projections look at."""
    for _ in range(count):
        stream = random_.choice(("a-1", "a-2", "b-1", "plain", "c-1-2"))
        kind = random_.choice(("One", "Two", "$>"))
        body = "0@a-1" if kind == "$>" else random_.choice(("{}", "{", "[1]"))
        metadata = random_.choice(("", '{"$correlationId":"x"}', '{"$correlationId":"y"}'))
        append(store, stream, *[body] * random_.randrange(1, 4), kind=kind, metadata=metadata)
        if random_.random() < 0.05:
            store.delete(stream)


def test_how_the_log_is_cut_into_batches_makes_no_difference(tmp_path: Path) -> None:
    random_ = seeded()
    paths = [tmp_path / f"{i}.db" for i in range(3)]
    with SqliteStore.open(paths[0]) as store:
        written(random_, store, 60)
    for path in paths[1:]:
        path.write_bytes(paths[0].read_bytes())
    made = []
    for path, size in zip(paths, (1, random_.randrange(2, 20), 500), strict=True):
        with SqliteStore.open(path) as store:
            for _ in range(3):
                interrupted(store, Limits(events=size), random_)
            with projecting(store, Limits(events=size), standard=True) as projections:
                settle(projections, store)
            made.append(contents(store, *DERIVED))
    assert made[0] == made[1] == made[2]
    assert {"$ce-a", "$ce-b", "$ce-c", "$et-One", "$bc-x", "$streams"} <= set(made[0])


def interrupted(store: SqliteStore, limits: Limits, random_: random.Random) -> None:
    """Run the projections for a while, and stop or abort one of them on the way."""
    goal = random_.randrange(store.end())
    with projecting(store, limits, standard=True) as projections:
        until(
            lambda: projections.report("$by_category").progress.position >= goal,
            "$by_category did not go on",
        )
        projections.disable("$by_category", checkpoint=random_.random() < 0.5)


CHILD = """
import sys
from threading import Event
from runtime.store import SqliteStore
from runtime.store.projections import Limits, Projections
with SqliteStore.open(sys.argv[1]) as store:
    projections = Projections(store, Limits(events=int(sys.argv[2])))
    projections.open(start_standard=True)
    while True:
        print(min(r.progress.position for r in projections.reports()), flush=True)
        Event().wait(0.002)
"""
"""Tells how far in the log the slowest projection is."""


def test_where_the_process_is_killed_makes_no_difference(tmp_path: Path) -> None:
    random_ = seeded()
    killed, whole = tmp_path / "killed.db", tmp_path / "whole.db"
    with SqliteStore.open(killed) as store:
        written(random_, store, 150)
        end = store.end()
    whole.write_bytes(killed.read_bytes())
    with SqliteStore.open(whole) as store, projecting(store, standard=True) as projections:
        settle(projections, store)
        expected = contents(store, *DERIVED)
    reached = 0
    for life in range(KILLS):
        goal = reached + random_.randrange(1, max(2, (end - reached) // (KILLS - life)))
        reached = max(reached, kill_at(CHILD, goal, killed, str(random_.randrange(1, 6))))
    with SqliteStore.open(killed) as store, projecting(store, standard=True) as projections:
        settle(projections, store)
        assert contents(store, *DERIVED) == expected


def test_standard_projections_stay_on(path: Path) -> None:
    with SqliteStore.open(path) as store:
        with projecting(store) as projections:
            append(store, "a-1", "{}")
            settle(projections, store)
            assert store.streams("$") == []
        with projecting(store, standard=True) as projections:
            settle(projections, store)
        append(store, "a-1", "{}")
        with projecting(store) as projections:
            becomes(lambda: store.revision("$ce-a"), 1)


@pytest.mark.parametrize("step", range(16))
def test_how_one_stands_is_told_whenever_it_is_stopped(path: Path, step: int) -> None:
    """As if another thread came in between: before each operation of what tells it."""
    steps = count()

    def stop_in_between(frame: FrameType, event: str, _arg: object) -> Any:
        if frame.f_code.co_qualname != "_Entry.progress":
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and next(steps) == step:
            projections.disable("$streams")
        return stop_in_between

    with SqliteStore.open(path) as store, projecting(store, standard=True) as projections:
        before = sys.gettrace()
        sys.settrace(stop_in_between)
        try:
            told = projections.report("$streams").progress
        finally:
            sys.settrace(before)
        assert told.status in {Status.RUNNING, Status.STOPPED}
