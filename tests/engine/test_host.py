from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from runtime.deciding import Decision, Strategy, Window
from runtime.engine.commands import Restore
from runtime.engine.host import Decided, Host
from runtime.engine.ipc import read_ipc
from runtime.engine.keygroups import key_group
from runtime.engine.plan import AgentPlan, RunPlan, StagePlan, build_host, signers
from runtime.engine.results import GroupResult, Release, Who
from runtime.engine.signing import sign
from runtime.engine.task import Answer, read_answer, write_answer
from runtime.errors import Retryable, StateInvalid
from runtime.identity import Draft, SigningKey, Trust, check_stream
from tests.support.rows import observed
from tests.support.strategies import HERE, Seen

GROUPS = range(256)
KEY = SigningKey.demo("agent")
RATES = ["a"] * 4 + ["b"] * 4
VALUES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]


class Made(Strategy[Seen]):
    """Returns from a window what a test wants."""

    name = "made"
    version = "1"
    State = Seen
    returns: Callable[[Window], Any] = staticmethod(lambda window: ())

    def on_window(self, state: Seen, window: Window) -> Iterable[tuple[int, Decision]]:
        returned: Iterable[tuple[int, Decision]] = type(self).returns(window)
        return returned


class Patient(Made):
    """Asks to be tried again."""

    name = "patient"

    def on_window(self, state: Seen, window: Window) -> Iterable[tuple[int, Decision]]:
        raise Retryable("not yet", after=np.float64(0.5), attempts=np.int64(3))


class CannotStart(Made):
    """Raises before the first event."""

    name = "cannot-start"

    def start(self, aggregate: str) -> Seen:
        raise KeyError(aggregate)


def plan(*strategies: str) -> RunPlan:
    """A plan of one stage, with an agent for each strategy."""
    agents = tuple(
        AgentPlan(f"agent{number}", number, strategy, {}, KEY)
        for number, strategy in enumerate(strategies)
    )
    stage = StagePlan("stage", agents, ("PoolRateObserved",), "aggregate", {})
    return RunPlan("study", "run-id", (stage,), {"rates": "aave"})


def host(*strategies: str) -> Host:
    return build_host(plan(*strategies or (f"{HERE}:Watch",)))


def drafts(decided: Decided) -> list[Draft]:
    return [draft for _, those in decided.drafts for draft in those]


def test_every_key_group_is_answered_for_even_if_nothing_is_decided():
    decided = host(f"{HERE}:Failing").decide("stage", observed(["a", "b"], rate=[0.1, 0.1]))
    assert set(decided.outputs) == {key_group("a"), key_group("b")}
    empty = host().decide("stage", observed(["a", "b"], rate=[0.1, 0.1]))
    assert empty.drafts == ((key_group("a"), ()), (key_group("b"), ()))


def test_decisions_of_an_aggregate_follow_their_causes():
    decided = drafts(host().decide("stage", observed(RATES, rate=VALUES)))
    assert [(one.stream, one.revision) for one in decided] == [
        ("agent-agent0/a", 0),
        ("agent-agent0/a", 1),
        ("agent-agent0/b", 0),
        ("agent-agent0/b", 1),
    ]
    rows = [msgspec.json.decode(one.event.metadata + b"}")["row"] for one in decided]
    assert rows == ["1", "3", "5", "7"]


@pytest.mark.parametrize("cut", range(1, 8))
def test_where_a_batch_is_cut_means_nothing(cut: int):
    batch = observed(RATES, rate=VALUES, symbol=["USDC"] * 8)
    whole = drafts(host().decide("stage", batch))
    cutting = host()
    parts = [cutting.decide("stage", part) for part in (batch.slice(0, cut), batch.slice(cut))]
    assert [draft for part in parts for draft in drafts(part)] == whole


def test_a_host_goes_on_where_its_snapshot_was_taken():
    batch = observed(RATES, rate=VALUES)
    first, second = observed(["a"], rate=[0.1]), batch.slice(1)
    going = host(f"{HERE}:Watch", f"{HERE}:Windowed")
    going.decide("stage", first)
    parts = going.snapshot("stage", GROUPS)
    assert set(parts) == {key_group("a")}
    resumed = host(f"{HERE}:Watch", f"{HERE}:Windowed")
    resumed.restore(Restore(0, "stage", tuple(GROUPS), stored=True), parts)
    assert resumed.snapshot("stage", GROUPS) == parts
    assert resumed.decide("stage", second) == going.decide("stage", second)


def test_several_agents_decide_on_the_same_rows_in_their_order():
    decided = host(f"{HERE}:Windowed", f"{HERE}:Watch").decide(
        "stage", observed(["a", "a"], rate=[0.1, 0.2])
    )
    streams = [one.stream for one in drafts(decided)]
    assert streams == ["agent-agent0/a", "agent-agent0/a", "agent-agent1/a"]


def test_what_is_signed_verifies_however_signing_is_shared_out():
    batch = observed(RATES, rate=VALUES)
    keys = signers(plan(f"{HERE}:Windowed"))
    results = [
        sign(host(f"{HERE}:Windowed").decide("stage", batch).drafts, keys, map, shares)
        for shares in (1, 3, 100)
    ]
    assert results[0] == results[1] == results[2]
    trust = Trust({"agent0": KEY.did}, {}, {"agent0": "run-id"})
    for result in results[0]:
        events = [one.recorded() for one in result.events]
        assert len(events) == 4
        assert check_stream(events, events[0].stream, trust) is None


def test_where_a_strategy_raises_nothing_is_decided_until_it_is_restored():
    raising = host(f"{HERE}:Failing")
    decided = raising.decide("stage", observed(RATES, rate=VALUES))
    assert decided.raised == (key_group("b"),)
    assert set(decided.outputs) == {key_group("a")}
    assert not raising.decide("stage", observed(["b"], rate=[0.1])).outputs
    raising.restore(Restore(0, "stage", (key_group("b"),), stored=False), {})
    assert len(drafts(raising.decide("stage", observed(["b"], rate=[0.1])))) == 1


def test_of_what_is_known_already_a_host_tells_what_it_could_not_decide_on():
    careful = host(f"{HERE}:Failing")
    decided = careful.decide("stage", observed(["a", "b"], rate=[0.1, 0.9]), careful=True)
    (told,) = decided.known
    assert (told.group, told.events, told.held) == (key_group("b"), (), ())
    assert [parked.who.aggregate for parked in told.parked] == ["b"]


def test_a_careful_host_parks_an_aggregate_at_the_event_it_raises_on():
    rates = [0.1, 0.2, 0.9, 0.3]
    rows = {"row": [7, 8, 9, 10], "position": [50, 51, 52, 53]}
    careful = host(f"{HERE}:Failing")
    decided = careful.decide("stage", observed(["b"] * 4, rate=rates, **rows), careful=True)
    out = decided.outputs[key_group("b")]
    (parked,), (held,) = out.parked, out.held
    assert len(out.drafts) == 2
    assert (parked.who, parked.position) == (Who("agent0", "b"), 52)
    assert parked.error == "ZeroDivisionError: no such rate"
    assert "raise ZeroDivisionError" in parked.trace
    assert held.positions == (52, 53)
    assert read_ipc(held.rows).column("rate").to_pylist() == [0.9, 0.3]
    assert read_ipc(parked.row).column("position").to_pylist() == [52]
    later = careful.decide("stage", observed(["b"], rate=[0.1], position=[60]))
    assert later.outputs[key_group("b")].held[0].positions == (60,)
    assert not later.drafts[0][1]


def test_an_aggregate_that_is_released_goes_on_where_it_stopped():
    all_rows = observed(["b"] * 4, rate=[0.1, 0.2, 0.3, 0.4])
    rows = all_rows.slice
    whole = host(f"{HERE}:Failing").decide("stage", all_rows)
    going = host(f"{HERE}:Failing")
    parked = (Who("agent0", "b"), 1)
    going.restore(Restore(0, "stage", (key_group("b"),), stored=False, parked=(parked,)), {})
    first = going.decide("stage", rows(0, 2))
    release = Release(parked[0], then=2)
    second = going.decide("stage", rows(1, 1), release=release)
    held = going.decide("stage", rows(2, 1))
    assert held.outputs[key_group("b")].held[0].positions == (2,)
    third = going.decide("stage", rows(2, 1), release=Release(parked[0], then=None))
    fourth = going.decide("stage", rows(3, 1))
    assert [d for one in (first, second, third, fourth) for d in drafts(one)] == drafts(whole)


def test_a_strategy_that_cannot_start_is_parked_too():
    decided = host(f"{__name__}:CannotStart").decide("stage", observed(["a"]), careful=True)
    (parked,) = decided.outputs[key_group("a")].parked
    assert parked.error == "KeyError: 'a'"
    assert parked.state == b""


def test_what_a_strategy_asks_to_be_tried_again_says_so():
    decided = host(f"{__name__}:Patient").decide("stage", observed(["a"]), careful=True)
    (parked,) = decided.outputs[key_group("a")].parked
    assert (parked.after, parked.attempts) == (0.5, 3)
    assert read_answer(write_answer(Answer(decided.results(()), ()))).raised == ()
    results = decided.results((GroupResult(key_group("a"), ()),))
    assert read_answer(write_answer(Answer(results, ()))).results == results


class Untold(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise KeyError("what it is")


class Odd(Made):
    """Raises what is hard to tell."""

    name = "odd"
    error: BaseException = Untold()

    def on_window(self, state: Seen, window: Window) -> Iterable[tuple[int, Decision]]:
        raise self.error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Untold(), "Untold"),
        (ValueError("half a \ud83d"), "ValueError: half a \\ud83d"),
        (SystemExit(5), "SystemExit: 5"),
    ],
)
def test_an_error_that_is_hard_to_tell_parks_like_any_other(
    error: BaseException, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Odd, "error", error)
    hasty = host(f"{__name__}:Odd").decide("stage", observed(["a"]))
    assert hasty.raised == (key_group("a"),)
    decided = host(f"{__name__}:Odd").decide("stage", observed(["a"]), careful=True)
    (parked,) = decided.outputs[key_group("a")].parked
    assert parked.error == told
    assert parked.trace.encode()


def test_a_state_that_cannot_be_kept_ends_what_going_event_by_event_would_not_mend() -> None:
    class Whole(Made):
        def on_window(self, state: Seen, window: Window) -> Iterable[tuple[int, Decision]]:
            state.count = 0.5  # type: ignore[assignment]
            return ()

    going = host(f"{HERE}:Failing")
    (desk,) = going._desks["stage"]
    edition = desk.editions[0]
    desk.editions = (replace(edition, on_window=Whole(edition.strategy.parameters).on_window),)
    with pytest.raises(
        StateInvalid, match=r"^agent 'agent0', aggregate 'a': state Seen would not.*\$\.count"
    ):
        going.decide("stage", observed(["a", "a"]), careful=True)


def why_parked(made: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a careful host says of what a strategy returns on each event."""
    monkeypatch.setattr(Made, "returns", staticmethod(lambda window: made))
    decided = host(f"{__name__}:Made").decide("stage", observed(["a", "a"]), careful=True)
    (parked,) = decided.outputs[key_group("a")].parked
    return parked.error


HOLD = Decision("hold", 0.5)


@pytest.mark.parametrize(
    ("made", "rows"),
    [
        ([], []),
        ([(0, HOLD), (0, HOLD), (1, HOLD)], ["0", "0", "1"]),
        ([(np.int64(1), HOLD)], ["1"]),
        ([[1, HOLD]], ["1"]),
    ],
)
def test_decisions_of_a_window_stand_on_their_rows(
    monkeypatch: pytest.MonkeyPatch, made: Any, rows: list[str]
):
    monkeypatch.setattr(Made, "returns", staticmethod(lambda window: made))
    decided = drafts(host(f"{__name__}:Made").decide("stage", observed(["a", "a"])))
    metadata = [msgspec.json.decode(one.event.metadata + b"}") for one in decided]
    assert [fields["row"] for fields in metadata] == rows
    assert len({one.event.event_id for one in decided}) == len(rows)


@pytest.mark.parametrize(
    "made", [[(1, HOLD), (0, HOLD)], [(-1, HOLD)], [(2, HOLD)], [(10**9, HOLD)]]
)
def test_rows_must_not_decrease_nor_lie_outside(monkeypatch: pytest.MonkeyPatch, made: Any):
    monkeypatch.setattr(Made, "returns", staticmethod(lambda window: made))
    assert host(f"{__name__}:Made").decide("stage", observed(["a", "a"])).raised


@pytest.mark.parametrize(
    "made",
    [
        [HOLD],
        ["hold"],
        [(0,)],
        [(0, HOLD, 1)],
        [(0, "hold")],
        [(0.0, HOLD)],
        [(None, HOLD)],
        [None],
    ],
)
def test_what_is_no_decision_is_refused(monkeypatch: pytest.MonkeyPatch, made: Any):
    said = why_parked(made, monkeypatch)
    assert re.match(r"DecisionInvalid: .*'made' of agent 'agent0'.*'a', returned", said)


def test_what_cannot_be_gone_through_is_an_error_of_the_strategy(monkeypatch: pytest.MonkeyPatch):
    assert why_parked(None, monkeypatch).startswith("TypeError")


def test_a_decision_that_cannot_be_stored_is_named_with_its_cause(monkeypatch: pytest.MonkeyPatch):
    said = why_parked([(0, Decision("hold", 2.0))], monkeypatch)
    assert said.startswith("DecisionInvalid: decision 0 of agent-agent0/a, on row 0 of rates")


@pytest.mark.parametrize("part", [b"", b"\x00", b"\x91\x01", msgspec.msgpack.encode([("a", "b")])])
def test_a_damaged_snapshot_is_named(part: bytes):
    with pytest.raises(StateInvalid, match="snapshot of stage 'stage', key group 7, is damaged"):
        host().restore(Restore(0, "stage", (7,), stored=True), {7: part})


def test_a_snapshot_that_does_not_fit_the_state_is_refused():
    state = msgspec.msgpack.encode({"count": "many"})
    part = msgspec.msgpack.encode([("agent0", "a", 1, "0" * 64, state)])
    with pytest.raises(
        StateInvalid, match=r"^agent 'agent0', aggregate 'a': .* does not fit state Seen"
    ):
        host().restore(Restore(0, "stage", (7,), stored=True), {7: part})
