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


@given(st.binary(min_size=64, max_size=64))
def test_what_was_signed_can_be_cut_out_again(signature: bytes):
    assert split_metadata(signed_metadata(UNSIGNED, signature)) == (UNSIGNED, signature)


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
    ],
)
def test_a_signature_that_is_not_the_last_field_in_its_one_form_is_refused(metadata: bytes):
    assert metadata != SIGNED
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
