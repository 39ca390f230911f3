"""What the code of projections may do, and what becomes of code that does not behave."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from runtime.errors import ProjectionFaulted, ProjectionInvalid
from runtime.store.projections.engine import PROGRAM, Engine, Limits, Ran
from runtime.store.projections.sandbox import REQUEST
from runtime.store.projections.view import View

SECONDS = 20
PATIENT, QUICK = Limits(seconds=20), Limits(seconds=1)


def view(kind: str = "A", body: str = '{"x": 1}', **fields: object) -> View:
    given: dict[str, object] = {
        "stream": "a-1",
        "number": 3,
        "type": kind,
        "id": "0",
        "json": True,
        "body": body,
        "metadata": '{"m": 1}',
        "link_metadata": None,
        "created": "1970-01-01T00:00:00.000Z",
        "category": "",
        "partition": "a-1",
        "deleted": False,
    }
    return View(**(given | fields))  # type: ignore[arg-type]


@contextmanager
def loaded(query: str, limits: Limits = PATIENT, *, emit: bool = True) -> Iterator[Engine]:
    engine = Engine(query, limits, emit=emit)
    try:
        yield engine
    finally:
        engine.close()


def ran(query: str, *events: View, limits: Limits = PATIENT, emit: bool = True) -> Ran:
    with loaded(query, limits, emit=emit) as engine:
        return engine.run(events, engine.divide(events).partitions, {})


class TestStates:
    def test_handlers_change_or_replace_the_state(self) -> None:
        query = "fromAll().when({$init: () => ({n: 0}), A(s, e) { s.n += e.data.x }, B: () => 7})"
        assert ran(query, view(), view()).states == {"": ('{"n":2}', None)}
        assert ran(query, view(), view("B")).states == {"": ("7", None)}

    def test_any_handles_what_has_no_handler_of_its_own(self) -> None:
        query = "fromAll().when({A: s => { s.a = 1 }, $any: (s, e) => { s.any = e.eventType }})"
        assert ran(query, view(), view("B")).states == {"": ('{"a":1,"any":"B"}', None)}

    def test_partitions_and_the_state_they_share(self) -> None:
        query = """fromAll().partitionBy(e => e.data.p).when({
            $init: () => 0, $initShared: () => ({all: 0}),
            A(s, e) { s[1].all += 1; return [s[0] + 1, s[1]] }})"""
        found = ran(query, *[view(body=json.dumps({"p": p})) for p in ("k", 5, "k", None)])
        assert {k: v[0] for k, v in found.states.items()} == {"": '{"all":3}', "k": "2", "5": "1"}

    def test_states_that_are_given_back(self) -> None:
        with loaded("fromAll().foreachStream().when({A(s) { s.n = (s.n || 0) + 1 }})") as engine:
            assert engine.divide([view()]).missing == ["a-1"]
            found = engine.run([view()], ["a-1"], {"a-1": ('{"n":41}', None)})
            assert found.states == {"a-1": ('{"n":42}', None)}
            assert engine.divide([view()]).missing == []

    def test_results(self) -> None:
        query = """fromAll().when({$init: () => 0, A: s => s + 1})
            .filterBy(s => s > 1).transformBy(s => ({total: s})).outputState()"""
        results = ran(query, view(), view(), view()).results
        assert [(r.at, r.result) for r in results] == [(1, '{"total":2}'), (2, '{"total":3}')]

    def test_without_handlers_the_state_is_the_event(self) -> None:
        assert ran("fromStream('a-1').outputState()", view()).states[""][0] == '{"x":1}'

    def test_deletions(self) -> None:
        query = "fromAll().foreachStream().when({$deleted(s, _, p) { s.gone = p }, $any() {}})"
        assert ran(query, view(), view(deleted=True)).states == {"a-1": ('{"gone":"a-1"}', None)}


def test_what_handlers_see_of_an_event() -> None:
    query = """fromAll().when({A: (s, e) => ({
        data: e.data, body: e.body, bodyRaw: e.bodyRaw, metadata: e.metadata,
        metadataRaw: e.metadataRaw, linkMetadata: e.linkMetadata, streamId: e.streamId,
        eventType: e.eventType, sequenceNumber: e.sequenceNumber, isJson: e.isJson,
        partition: e.partition, category: e.category})})"""
    (text, _) = ran(query, view(link_metadata='{"l": 2}', category="a")).states[""]
    assert json.loads(text) == {
        "data": {"x": 1},
        "body": {"x": 1},
        "bodyRaw": '{"x": 1}',
        "metadata": {"m": 1},
        "metadataRaw": '{"m": 1}',
        "linkMetadata": {"l": 2},
        "streamId": "a-1",
        "eventType": "A",
        "sequenceNumber": 3,
        "isJson": True,
        "partition": "",
        "category": "a",
    }
    shown = ran("fromAll().when({A: (s, e) => JSON.parse(JSON.stringify(e))})", view())
    assert json.loads(shown.states[""][0])["data"] == {"x": 1}


def test_what_handlers_emit() -> None:
    query = """fromAll().when({A(s, e) {
        emit('out', 'Made', {x: e.data.x}, {mine: [1]}); linkTo('links', e, {k: 'v'});
        linkStreamTo('streams', e.streamId); copyTo('nowhere', e); log('said') }})"""
    made = [(p.stream, p.type, p.data, p.json, p.extra) for p in ran(query, view()).emitted]
    assert made == [
        ("out", "Made", '{"x":1}', True, '{"mine":[1]}'),
        ("links", "$>", "3@a-1", False, '{"k":"v"}'),
        ("streams", "$@", "a-1", False, "{}"),
    ]


class TestFaults:
    @pytest.mark.parametrize(
        ("handler", "told"),
        [
            ("throw new Error('no')", "Error: no"),
            ("throw {toString() { throw 1 }}", "cannot be shown"),
            ("(function f() { f() })()", "RangeError"),
            ("s.self = s", "circular"),
            ("emit('a', 'T', 5)", "eventBody"),
            ("linkTo('a', {})", "Invalid link"),
        ],
    )
    def test_of_a_handler(self, handler: str, told: str) -> None:
        query = f"fromAll().when({{A() {{}}, B(s, e) {{ {handler} }}}})"
        with pytest.raises(ProjectionFaulted, match=told):
            ran(query, view(), view("B"), view())

    def test_which_event_it_was(self) -> None:
        with pytest.raises(ProjectionFaulted) as fault:
            ran("fromAll().when({A() {}, B() { throw 1 }})", view(), view("B"), view())
        assert fault.value.index == 1

    def test_emitting_without_leave(self) -> None:
        with pytest.raises(ProjectionFaulted, match="'emit' is not allowed"):
            ran("fromAll().when({A() { emit('a', 'T', {}) }})", view(), emit=False)

    @pytest.mark.parametrize(
        "loop",
        ["for (;;) {}", "/(a+)+$/.test('a'.repeat(60) + 'b')", "new Array(4294967295).fill(1)"],
    )
    def test_endless_code_is_ended(self, loop: str) -> None:
        with pytest.raises(ProjectionFaulted, match=r"longer than 1 seconds|memory"):
            ran(f"fromAll().when({{A() {{ {loop} }}}})", view(), limits=QUICK)

    @pytest.mark.parametrize(
        "bomb",
        [
            "const a = []; for (;;) a.push(new Array(1000).fill(1))",
            "const a = []; for (;;) a.push(new Uint8Array(1 << 24).fill(1))",
            "'a'.repeat(2 ** 29 - 24).split('')",
        ],
    )
    def test_memory_is_limited(self, bomb: str) -> None:
        with pytest.raises(ProjectionFaulted, match="memory"):
            ran(f"fromAll().when({{A() {{ {bomb} }}}})", view())

    def test_output_is_limited(self) -> None:
        limits = Limits(seconds=20, answer=1000)
        with pytest.raises(ProjectionFaulted, match="more than 1000 bytes"):
            ran("fromAll().when({A: () => 'x'.repeat(2000)})", view(), limits=limits)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", "reads nothing"),
        ("fromAll(", "SyntaxError"),
        ("fromAll().when({A() { }}).nothing()", "TypeError"),
        ("fromAll(); fromStream('a')", "more than one kind"),
        ("fromStream('a').foreachStream()", "foreachStream"),
        ("fromAll().when({$deleted() {}})", "only after foreachStream"),
        ("options({unheard: 1})", "Unrecognized option"),
        ("options({reorderEvents: true, processingLag: 1}); fromStreams('a', 'b')", "50"),
        ("throw new Error('early')", "early"),
    ],
)
def test_queries_that_cannot_be_run(query: str, told: str) -> None:
    with pytest.raises(ProjectionInvalid, match=told):
        Engine(query, PATIENT, emit=True)


def test_a_query_without_end_is_ended() -> None:
    with pytest.raises(ProjectionInvalid, match="longer than"):
        Engine("for (;;) {}", QUICK, emit=True)


def test_its_process_does_not_outlive_a_server_that_is_killed() -> None:
    """Neither end of its pipes is there any more while its code still runs."""
    process = subprocess.Popen(
        [sys.executable, "-P", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    body = json.dumps(["request => request", "for (;;) {}", 2**26]).encode()
    try:
        with process.stdin, process.stdout:
            process.stdin.write(REQUEST.pack(b"l", 1.0, len(body)) + body)
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def test_what_a_query_says_of_itself() -> None:
    with loaded(
        "options({resultStreamName: 'r', $includeLinks: true});"
        "fromCategory('a').foreachStream().when({A() {}, B() {}}).outputTo('out', 'out-{0}')"
    ) as engine:
        found = engine.description
    assert (found.sources, found.category, found.events) == ({"$ce-a"}, "a", ("A", "B"))
    assert (found.by_stream, found.links, found.every) == (True, True, False)
    assert (found.result_stream, found.result_pattern) == ("out", "out-{0}")
