from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from runtime.errors import MetadataInvalid
from runtime.events import (
    GENESIS,
    Cause,
    NewEvent,
    RecordedEvent,
    cause_fields,
    named_id,
    unsigned_metadata,
)
from runtime.identity import (
    SigningKey,
    Trust,
    VerifyingKey,
    check_stream,
    draft,
    recorded_digest,
    recorded_message,
    seal,
)

KEY = SigningKey.demo("scout")
STREAM = "agent-scout/pool"
TRUST = Trust({"scout": KEY.did}, {}, {"scout": "run-1"})
SMALL = st.binary(max_size=6)

parts = st.tuples(
    st.binary(min_size=16, max_size=16),
    st.text(st.characters(codec="ascii"), max_size=6),
    SMALL,
    SMALL,
    st.integers(0, 12),
    st.text(st.characters(codec="ascii"), max_size=6),
)
"""Id, type, data, metadata, revision, stream."""


def chained(count: int, key: SigningKey = KEY, run: str = "run-1") -> list[RecordedEvent]:
    """The first events of a stream, signed and chained."""
    events: list[RecordedEvent] = []
    for number in range(count):
        previous = recorded_digest(events[-1]) if events else GENESIS
        cause = cause_fields(Cause("cause", "feed", number, number, 0, 0))
        metadata = unsigned_metadata(run, key.did, "1970-01-01T00:00:00Z", cause, previous)
        new = NewEvent(named_id(str(number)), "AgentDecisionMade", b"{}", metadata)
        one = seal(draft(STREAM, number, new), key.sign)
        fields = (one.event_id, one.type, one.data, one.metadata)
        events.append(RecordedEvent(number, STREAM, number, *fields, recorded_at=0))
    return events


def test_a_message_is_a_pre_authentication_encoding():
    event = NewEvent(bytes(16), "Kind", b"data", b"{meta")
    assert draft("a-b", 12, event).message == (
        b"LucentEventV1 36 00000000-0000-0000-0000-000000000000 4 Kind 3 a-b 2 12 5 {meta 4 data"
    )


@given(parts, parts)
def test_no_two_events_have_one_message(one: tuple, two: tuple):
    assume(one != two)
    assert _message(*one) != _message(*two)


def test_a_stored_event_gives_back_its_message_and_signature():
    event = NewEvent(named_id("x"), "Kind", b"data", b'{"a":"b"')
    drafted = draft("s-1", 3, event)
    sealed = seal(drafted, KEY.sign)
    fields = (sealed.event_id, sealed.type, sealed.data, sealed.metadata)
    stored = RecordedEvent(9, "s-1", 3, *fields, recorded_at=77)
    message, signature = recorded_message(stored)
    assert message == drafted.message
    assert VerifyingKey.of(KEY.did).verifies(signature, message)
    assert recorded_digest(stored) == sha256(message).hexdigest()


def test_a_stream_that_is_whole_is_sound():
    assert check_stream(chained(5), STREAM, TRUST) is None
    assert check_stream([], STREAM, TRUST) is None


def test_a_stream_of_another_run_is_found_where_the_run_is_known():
    damage = check_stream(chained(3, run="run-2"), STREAM, TRUST)
    assert damage is not None
    assert (damage.kind, damage.revision) == ("run", 0)
    assert check_stream(chained(3, run="run-2"), STREAM, Trust(TRUST.agents, {})) is None


def test_a_stream_that_nobody_is_trusted_for_is_found():
    for stream in ("agent-other/pool", "system-run", "market-x", "agent-scout", "scout", ""):
        damage = check_stream(chained(1), stream, TRUST)
        assert damage is not None
        assert (damage.kind, damage.stream) == ("author", stream)


def test_an_author_is_trusted_for_its_own_streams_only():
    trust = Trust({"scout": SigningKey.demo("other").did, "other": KEY.did}, {})
    damage = check_stream(chained(1), STREAM, trust)
    assert damage is not None
    assert damage.kind == "author"


@pytest.mark.parametrize("at", range(4))
def test_the_first_damage_is_the_one_that_is_told(at: int):
    events = chained(5)
    later = [_with(event, data=b"[]") for event in events[at:]]
    damage = check_stream([*events[:at], *later], STREAM, TRUST)
    assert damage is not None
    assert (damage.kind, damage.revision, damage.position) == ("signature", at, at)


def test_a_stored_event_without_a_signature_has_no_message():
    event = _with(chained(1)[0], metadata=b"{}")
    with pytest.raises(MetadataInvalid, match="not a signature"):
        recorded_message(event)


def _with(event: RecordedEvent, **fields: bytes) -> RecordedEvent:
    named = {name: getattr(event, name) for name in RecordedEvent.__dataclass_fields__}
    return RecordedEvent(**named | fields)


def _message(
    event_id: bytes, kind: str, data: bytes, metadata: bytes, revision: int, stream: str
) -> bytes:
    return draft(stream, revision, NewEvent(event_id, kind, data, metadata)).message
