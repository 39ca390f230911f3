from __future__ import annotations

import re
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.events import decision_id, id_text, named_id, observation_id, parse_id
from runtime.events.ids import NAMESPACE

SPACE = UUID(bytes=NAMESPACE)


@given(st.text())
def test_an_id_is_the_version_5_uuid_of_its_name(name: str):
    expected = uuid5(SPACE, name)
    assert named_id(name) == expected.bytes
    assert id_text(named_id(name)) == str(expected)
    assert (expected.version, expected.variant) == (5, "specified in RFC 4122")


def test_an_observation_is_named_by_feed_and_row():
    assert observation_id("aave", 7) == uuid5(SPACE, "observation/aave/7").bytes
    others = {observation_id(*of) for of in (("aave", 7), ("aave", 70), ("aave7", 0), ("a", 7))}
    assert len(others) == 4


def test_a_decision_is_named_by_agent_cause_and_ordinal():
    cause = id_text(observation_id("aave", 7))
    assert decision_id("scout", cause, 0) == uuid5(SPACE, f"decision/scout/{cause}/0").bytes
    one, two, three = (
        decision_id(*of) for of in (("a", cause, 0), ("a", cause, 1), ("b", cause, 0))
    )
    assert len({one, two, three}) == 3


@given(st.binary(min_size=16, max_size=16))
def test_text_and_bytes_are_two_forms_of_one_id(event_id: bytes):
    text = id_text(event_id)
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", text)
    assert parse_id(text) == event_id == parse_id(text.upper())


@pytest.mark.parametrize("text", ["", "x", "8a7e4b3c", "8a7e4b3c-5c1a-5c0b-8b57-96e2b8a8f9dg"])
def test_text_that_is_no_id_is_refused(text: str):
    with pytest.raises(ValueError, match=r"UUID|base 16"):
        parse_id(text)
