from __future__ import annotations

from base64 import b64encode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import MetadataInvalid
from runtime.events import (
    GENESIS,
    Cause,
    NewEvent,
    RecordedEvent,
    cause_fields,
    envelope,
    id_text,
    named_id,
    parse_id,
    read_metadata,
    signed_metadata,
    split_metadata,
    unsigned_metadata,
)

CAUSE = Cause("8a7e4b3c-5c1a-5c0b-8b57-96e2b8a8f9d5", "aave", 7, 2**60, 0, 0)
WHEN = "1970-01-01T00:00:00.000000000Z"
UNSIGNED = unsigned_metadata("run-id", "did:key:z", WHEN, cause_fields(CAUSE), GENESIS)
SIGNATURE = bytes(range(64))
SIGNED = signed_metadata(UNSIGNED, SIGNATURE)
BATCHED = signed_metadata(UNSIGNED, bytes(range(72 + 32)))


def recorded(metadata: bytes = SIGNED, data: bytes = b'{"yield":null}') -> RecordedEvent:
    new = NewEvent(named_id("x"), "AgentDecisionMade", data, metadata)
    return RecordedEvent(5, "agent-a/b", 3, new.event_id, new.type, data, metadata, 99)


def test_metadata_holds_exactly_the_named_fields():
    assert msgspec.json.decode(SIGNED) == {
        "$causationId": CAUSE.event_id,
        "source": "aave",
        "row": "7",
        "position": str(2**60),
        "knownAt": "0",
        "$correlationId": "run-id",
        "agentId": "did:key:z",
        "timestamp": WHEN,
        "previous": "0" * 64,
        "signature": b64encode(SIGNATURE).decode(),
    }
    assert read_metadata(SIGNED) == msgspec.json.decode(SIGNED)


signatures = st.integers(0, 33).flatmap(
    lambda nodes: (
        st.binary(min_size=72 + 32 * nodes, max_size=72 + 32 * nodes)
        if nodes
        else st.binary(min_size=64, max_size=64)
    )
)
"""Of an event alone, and of one of a batch."""

pieces = st.sampled_from([b',"signature":"', b'"}', b'"', b"A" * 88, b"\\", SIGNED]) | st.binary(
    max_size=8
)


@given(signatures)
def test_what_was_signed_can_be_cut_out_again(signature: bytes):
    assert split_metadata(signed_metadata(UNSIGNED, signature)) == (UNSIGNED, signature)


@given(st.lists(pieces, max_size=8).map(b"".join), signatures)
def test_nothing_in_the_signed_part_moves_the_cut(unsigned: bytes, signature: bytes):
    assert split_metadata(signed_metadata(unsigned, signature)) == (unsigned, signature)


@given(st.lists(pieces, max_size=10).map(b"".join))
def test_what_can_be_cut_has_one_form(metadata: bytes):
    try:
        unsigned, signature = split_metadata(metadata)
    except MetadataInvalid:
        return
    assert signed_metadata(unsigned, signature) == metadata


@pytest.mark.parametrize("length", [1, 63, 65, 71, 72, 73, 96, 103, 105, 128, 135, 137, 168 + 1])
def test_a_signature_of_another_length_is_refused(length: int):
    with pytest.raises(MetadataInvalid, match=f"has {length} bytes: it must have 64"):
        split_metadata(signed_metadata(UNSIGNED, bytes(length)))


@given(st.binary(max_size=200))
def test_what_is_not_in_the_signed_form_is_refused(metadata: bytes):
    with pytest.raises(MetadataInvalid):
        split_metadata(metadata)


@pytest.mark.parametrize(
    "metadata",
    [
        UNSIGNED,
        UNSIGNED + b"}",
        SIGNED + b" ",
        SIGNED[:-1],
        SIGNED[:-2] + b'" }',
        SIGNED.replace(b'"signature":', b'"signature" :'),
        SIGNED.replace(b'"signature"', b'"Signature"'),
        signed_metadata(UNSIGNED, SIGNATURE[:-1]),
        signed_metadata(UNSIGNED, SIGNATURE + b"\0"),
        SIGNED[:-5] + b"x" + SIGNED[-4:],
        SIGNED.replace(b"AAEC", b"AA\nC"),
        SIGNED.replace(b"AAEC", b"AAE="),
        SIGNED.replace(b"AAEC", b"\xc3\xa4EC"),
        signed_metadata(UNSIGNED, b""),
        UNSIGNED + b',"signature":"}',
        SIGNED[:-4] + b'"}',
        BATCHED[:-3] + b'x"}',
        BATCHED[:-2] + b'","note":"1"}',
        BATCHED.replace(b"AAEC", b"AA\nC"),
    ],
)
def test_a_signature_that_is_not_the_last_field_in_its_one_form_is_refused(metadata: bytes):
    assert metadata not in (SIGNED, BATCHED)
    with pytest.raises(MetadataInvalid, match="signature"):
        split_metadata(metadata)


@pytest.mark.parametrize(
    "metadata",
    [b"", b"{", b"[]", b"null", b'"x"', b"{}{}", b'{"a":"\xff"}', b'{"a":' + b"[" * 50_000],
)
def test_metadata_that_is_no_object_is_refused(metadata: bytes):
    with pytest.raises(MetadataInvalid, match="not a JSON object"):
        read_metadata(metadata)


def test_an_envelope_has_exactly_the_named_shape():
    exported = envelope(recorded())
    assert list(exported) == [
        "eventId",
        "eventType",
        "streamId",
        "eventNumber",
        "timestamp",
        "metadata",
        "data",
    ]
    assert exported["eventId"] == id_text(named_id("x"))
    assert parse_id(exported["eventId"]) == named_id("x")
    assert (exported["eventType"], exported["streamId"]) == ("AgentDecisionMade", "agent-a/b")
    assert (exported["eventNumber"], exported["timestamp"]) == (3, WHEN)
    assert exported["data"] == {"yield": None}
    assert list(exported["metadata"].items())[:4] == [
        ("causationId", CAUSE.event_id),
        ("correlationId", "run-id"),
        ("agentId", "did:key:z"),
        ("signature", b64encode(SIGNATURE).decode()),
    ]
    assert list(exported["metadata"])[4:] == ["source", "row", "position", "knownAt", "previous"]


def test_an_envelope_of_damaged_metadata_is_refused():
    with pytest.raises(MetadataInvalid):
        envelope(recorded(metadata=b"{"))
