from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.events import (
    AGGREGATE,
    CATEGORIES,
    NAME,
    decision_stream,
    kind_of,
    run_stream,
    split_decision_stream,
)

names = st.from_regex(NAME, fullmatch=True)
aggregates = st.from_regex(AGGREGATE, fullmatch=True)


@given(names, aggregates)
def test_a_decision_stream_tells_agent_and_aggregate(agent: str, aggregate: str):
    stream = decision_stream(agent, aggregate)
    assert split_decision_stream(stream) == (agent, aggregate)
    assert kind_of(stream) == "agent"


@given(names)
def test_a_run_has_a_stream_of_its_own(run: str):
    assert kind_of(run_stream(run)) == "system"
    with pytest.raises(ValueError, match="not a decision stream"):
        split_decision_stream(run_stream(run))


@given(names, aggregates)
def test_names_need_no_escapes(name: str, aggregate: str):
    for text in (name, aggregate):
        assert text.isascii()
        assert not {*text} & {*'"\\ \n\t\x00'}
    assert "/" not in name


@pytest.mark.parametrize("stream", ["", "agent", "agent-", "agent-scout", "agents-a/b", "agent/b"])
def test_what_is_no_decision_stream_is_refused(stream: str):
    with pytest.raises(ValueError, match="not a decision stream"):
        split_decision_stream(stream)


@pytest.mark.parametrize("name", ["", "-a", "a-", ".a", "a b", "a/b", "a\n", "é", "a" * 65])
def test_what_is_no_name_is_refused(name: str):
    assert NAME.fullmatch(name) is None


@pytest.mark.parametrize("name", ["", " a", "a b", "/a", 'a"', "a\\", "a\n", "é", "a" * 201])
def test_what_is_no_aggregate_is_refused(name: str):
    assert AGGREGATE.fullmatch(name) is None


def test_every_kind_of_stream_has_one_of_four_categories():
    assert set(CATEGORIES.values()) == {
        "agent-events",
        "audit-events",
        "domain-events",
        "system-events",
    }
    assert CATEGORIES[kind_of(decision_stream("a", "b"))] == "agent-events"
    assert CATEGORIES[kind_of(run_stream("a"))] == "system-events"
