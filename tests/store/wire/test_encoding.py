"""Events that are encoded by hand are those that protobuf's own messages encode."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.events import RecordedEvent
from runtime.store.expectation import TOMBSTONE
from runtime.store.link import Resolved
from runtime.store.protocol import streams_pb2
from runtime.store.wire import answers
from runtime.store.wire.encoding import read_event, varint

NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=200)
NUMBERS = st.integers(0, TOMBSTONE)
EVENTS = st.builds(
    RecordedEvent,
    position=NUMBERS,
    stream=NAMES,
    revision=NUMBERS,
    event_id=st.binary(min_size=16, max_size=16),
    type=NAMES,
    data=st.binary(max_size=300),
    metadata=st.binary(max_size=300),
    recorded_at=st.integers(0, 2**63 - 1),
    json=st.booleans(),
)

Read = streams_pb2.ReadResp.ReadEvent


def message(found: Resolved, *, structured: bool) -> streams_pb2.ReadResp:
    """The same by protobuf's messages."""

    def recorded(event: RecordedEvent | None) -> Read.RecordedEvent | None:
        if event is None:
            return None
        return Read.RecordedEvent(**answers.recorded_fields(event, structured=structured))

    read = Read(event=recorded(found.event), link=recorded(found.link))
    read.commit_position = found.original.position
    return streams_pb2.ReadResp(event=read)


@given(EVENTS, st.none() | EVENTS, st.booleans())
def test_an_event_and_its_link(
    event: RecordedEvent, link: RecordedEvent | None, structured: bool
) -> None:
    found = Resolved(event, link)
    encoded = streams_pb2.ReadResp.FromString(read_event(found, structured=structured))
    assert encoded == message(found, structured=structured)


@given(EVENTS)
def test_a_link_without_its_target(link: RecordedEvent) -> None:
    found = Resolved(None, link)
    encoded = streams_pb2.ReadResp.FromString(read_event(found, structured=False))
    assert encoded == message(found, structured=False)


@pytest.mark.parametrize(
    ("number", "length"), [(0, 1), (127, 1), (128, 2), (2**63 - 1, 9), (2**64 - 1, 10)]
)
def test_the_length_of_a_number(number: int, length: int) -> None:
    assert len(varint(number)) == length
