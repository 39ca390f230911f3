from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.deciding import Decision
from runtime.engine.author import Byline, Chain, byline, new_chain, write_draft
from runtime.errors import DecisionInvalid
from runtime.events import GENESIS, Cause, DecisionData, decision_id, read_metadata

CAUSE = Cause("8a7e4b3c-5c1a-5c0b-8b57-96e2b8a8f9d5", "rates", 7, 70, 1_000_000_000, 1_000_000_000)
STAMP = {"name": "watch", "version": "1", "parameters": "0" * 16}


class Mood(StrEnum):
    CALM = "calm"


@pytest.fixture
def line() -> Byline:
    return byline("watcher", "did:key:z", "run-id", STAMP, ("AgentDecisionMade",))


@pytest.fixture
def chain() -> Chain:
    return new_chain("watcher", "base/usdc", GENESIS)


def written(line: Byline, decision: Decision) -> dict[str, Any]:
    """The data that is stored for a decision."""
    drafted = write_draft(line, new_chain("watcher", "pool", GENESIS), decision, CAUSE, 0, "aave")
    return msgspec.json.decode(drafted.event.data)


def test_a_decision_becomes_the_next_event_of_its_chain(line: Byline, chain: Chain):
    drafts = [
        write_draft(line, chain, Decision("hold", 0.5), CAUSE, ordinal, "aave")
        for ordinal in range(3)
    ]
    assert [one.revision for one in drafts] == [0, 1, 2]
    assert {one.stream for one in drafts} == {"agent-watcher/base/usdc"}
    previous = [read_metadata(one.event.metadata + b"}")["previous"] for one in drafts]
    digests = [sha256(one.message).hexdigest() for one in drafts]
    assert previous == [GENESIS, *digests[:2]]
    assert (chain.revision, chain.previous) == (3, digests[2])


def test_an_event_names_its_cause_author_run_and_time(line: Byline, chain: Chain):
    event = write_draft(line, chain, Decision("hold", 0.5), CAUSE, 2, "aave").event
    assert event.event_id == decision_id("watcher", CAUSE.event_id, 2)
    fields = read_metadata(event.metadata + b"}")
    assert fields == {
        "$causationId": CAUSE.event_id,
        "source": "rates",
        "row": "7",
        "position": "70",
        "knownAt": "1000000000",
        "$correlationId": "run-id",
        "agentId": "did:key:z",
        "timestamp": "1970-01-01T00:00:01.000000000Z",
        "previous": GENESIS,
    }


def test_the_data_says_all_of_the_decision(line: Byline):
    decision = Decision("hold", 0.5, 0.0358, "why", {"seen": 1}, {"limit": 2.5})
    assert written(line, decision) == {
        "protocol": "aave",
        "yield": 3.58,
        "confidence": 0.5,
        "action": "hold",
        "aggregate": "pool",
        "reason": "why",
        "features": {"seen": 1},
        "thresholds": {"limit": 2.5},
        "strategy": STAMP,
    }


@given(
    confidence=st.floats(0.0, 1.0) | st.integers(0, 1) | st.floats(0, 1, width=32).map(np.float32),
    apr=st.none() | st.floats(-2, 5) | st.integers(-1, 3) | st.floats(-2, 5).map(np.float64),
    features=st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=5),
        st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec="utf-8"), max_size=5),
        max_size=4,
    ),
)
def test_what_can_be_decided_is_what_the_catalog_says(
    confidence: Any, apr: Any, features: dict[str, Any]
):
    line = byline("watcher", "did:key:z", "run-id", STAMP, ("AgentDecisionMade",))
    data = written(line, Decision("hold", confidence, apr, features=features, thresholds=features))
    model = DecisionData.model_validate(data)
    assert list(model.features.items()) == list(features.items())
    assert model.confidence == float(confidence)
    assert model.yield_ == (None if apr is None else round(float(apr) * 100, 6))


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.uint8(3), 3),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (Mood.CALM, "calm"),
    ],
)
def test_values_of_numpy_are_stored_as_plain_ones(line: Byline, value: Any, stored: Any):
    data = written(line, Decision("hold", 0.5, features={"x": value}))
    assert data["features"] == {"x": stored}
    assert type(data["features"]["x"]) is type(stored)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [1],
        (1,),
        {"a": 1},
        {1},
        b"x",
        1j,
        object(),
        Decimal(1),
        datetime.now(UTC),
        np.array([1.0]),
        np.datetime64(1, "us"),
        "\ud800",
        float("nan"),
        float("-inf"),
        np.float64("nan"),
        np.float32("nan"),
        np.float32("inf"),
    ],
)
@pytest.mark.parametrize("field", ["features", "thresholds"])
def test_a_fact_that_is_neither_finite_number_text_nor_flag_is_refused(
    line: Byline, chain: Chain, field: str, value: Any
):
    decision = Decision("hold", 0.5, **{field: {"fact": value}})
    _refused(line, chain, decision, ".")


@pytest.mark.parametrize("facts", [{5: 1}, {None: 1}, {"\ud800": 1}, [1], "x", None, 5])
def test_facts_without_names_are_refused(line: Byline, chain: Chain, facts: Any):
    _refused(line, chain, Decision("hold", 0.5, features=facts), ".")


@pytest.mark.parametrize(
    "confidence",
    [-0.001, 1.001, float("nan"), float("inf"), True, "0.5", None, [0.5], np.float32("nan")],
)
def test_a_confidence_that_is_none_is_refused(line: Byline, chain: Chain, confidence: Any):
    _refused(line, chain, Decision("hold", confidence), "confidence")


@pytest.mark.parametrize(
    "apr", [float("nan"), float("inf"), 1e308, 10**400, "0.1", True, [0.1], np.float32("inf")]
)
def test_an_apr_that_is_none_is_refused(line: Byline, chain: Chain, apr: Any):
    _refused(line, chain, Decision("hold", 0.5, apr), ".")


@pytest.mark.parametrize(("action", "reason"), [("", ""), (None, ""), (5, ""), ("a", None)])
def test_an_action_or_reason_that_is_no_text_is_refused(
    line: Byline, chain: Chain, action: Any, reason: Any
):
    _refused(line, chain, Decision(action, 0.5, reason=reason), "action")


@pytest.mark.parametrize("kind", ["PositionRecommended", "Nonsense", "", None, []])
def test_a_type_that_the_strategy_does_not_emit_is_refused(line: Byline, chain: Chain, kind: Any):
    _refused(line, chain, Decision("hold", 0.5, type=kind), "not among what its strategy emits")


def _refused(line: Byline, chain: Chain, decision: Decision, said: str) -> None:
    with pytest.raises(DecisionInvalid, match=said) as caught:
        write_draft(line, chain, decision, CAUSE, 0, "aave")
    place = "decision 0 of agent-watcher/base/usdc, on row 7 of rates (position 70): "
    assert str(caught.value).startswith(place)
    assert (chain.revision, chain.previous) == (0, GENESIS)
