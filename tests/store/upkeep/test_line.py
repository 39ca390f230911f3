"""Entries as lines: what is read is what was written, whatever bytes an event holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.events import Entry, RecordedEvent, Scavenged
from runtime.store.expectation import TOMBSTONE
from runtime.store.upkeep.line import decode_line, encode_line

JSON_LIKE = [
    b"",
    b"{}",
    b"null",
    b' {"a":1}',
    b'{"a":1} ',
    b'{"a" : 1.0e2, "a":2}',
    b'{"a":\n1}',
    b'{"a":1}\r',
    b'"\xff"',
    b'"\\ud800"',
    b'"\xe2\x80\xa8"',
    b"1e999",
    b"NaN",
    b"123456789012345678901234567890",
    b'{"a":"}"',
    b'1,"data":2',
    b"[" * 400 + b"]" * 400,
    b"[" * 600 + b"]" * 600,
    b"[" * 100_000 + b"]" * 100_000,
    b"[" + b",".join([b"{}"] * 2000) + b"]",
    b'{"timestamp":"2025-01-01T00:00:00Z"}',
    b'{"timestamp":5}',
    b"\x00\x01",
]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
BYTES = st.binary() | st.sampled_from(JSON_LIKE) | st.text().map(lambda t: json.dumps(t).encode())
INT = st.integers(0, 2**63 - 1)
EVENTS = st.builds(
    RecordedEvent,
    position=INT,
    stream=TEXT,
    revision=INT,
    event_id=st.binary(min_size=16, max_size=16),
    type=TEXT,
    data=BYTES,
    metadata=BYTES,
    recorded_at=st.integers(-(2**63), 2**63 - 1),
    json=st.booleans(),
)
REMOVED = st.builds(
    Scavenged,
    position=INT,
    stream=TEXT,
    revision=INT,
    event_id=st.binary(min_size=16, max_size=16),
    digest=st.just("") | st.binary(min_size=32, max_size=32).map(bytes.hex),
)
EVENT = RecordedEvent(7, "a-1", 3, bytes(range(16)), "T", b'{"n":1}', b'{"timestamp":"t"}', 5)


@settings(deadline=None)
@given(EVENTS | REMOVED)
def test_what_is_read_is_what_was_written(entry: Entry) -> None:
    line = encode_line(entry)
    assert b"\n" not in line
    assert decode_line(line) == entry


@pytest.mark.parametrize("data", JSON_LIKE, ids=range(len(JSON_LIKE)))
def test_whatever_looks_like_json_comes_back(data: bytes) -> None:
    event = RecordedEvent(7, "a-1", 3, bytes(16), "T", data, data, 5)
    assert decode_line(encode_line(event)) == event


def test_json_stands_in_the_line_byte_for_byte() -> None:
    assert encode_line(EVENT).decode() == (
        '{"eventId":"00010203-0405-0607-0809-0a0b0c0d0e0f","eventType":"T","streamId":"a-1",'
        '"eventNumber":3,"timestamp":"t","metadata":{"timestamp":"t"},"data":{"n":1},"position":7,'
        '"recordedAt":"1970-01-01T00:00:00.000000005Z","contentType":"application/json"}'
    )


def test_other_readers_of_json_read_it() -> None:
    fields = json.loads(encode_line(RecordedEvent(7, "ä\n", 3, bytes(16), '"', b"\xff", b"", 5)))
    assert (fields["streamId"], fields["eventType"]) == ("ä\n", '"')
    assert (fields["dataBase64"], fields["metadataBase64"]) == ("/w==", "")


def test_a_line_of_another_hand() -> None:
    fields = json.loads(encode_line(EVENT))
    line = json.dumps(dict(reversed(fields.items()))).encode()
    found = decode_line(line)
    assert isinstance(found, RecordedEvent)
    assert (found.data, found.position, found.event_id) == (b'{"n": 1}', 7, EVENT.event_id)


BAD = {
    "not JSON": (b'{"eventId":', "truncated"),
    "no object": (b"[]", "Expected `object`"),
    "empty": (b"", "truncated"),
    "an unknown field": (encode_line(EVENT).replace(b'"data"', b'"dato"'), "dato"),
    "no data": (encode_line(EVENT).replace(b'"data":{"n":1},', b""), "either data or dataBase64"),
    "twice data": (
        encode_line(EVENT).replace(b'"position"', b'"dataBase64":"","position"'),
        "either data or dataBase64",
    ),
    "no base64": (
        encode_line(EVENT).replace(b'"data":{"n":1}', b'"dataBase64":"?"'),
        "(?i)base64",
    ),
    "no id": (encode_line(EVENT).replace(b"00010203-", b"x"), "badly formed"),
    "no type": (encode_line(EVENT).replace(b'"T"', b'""'), "eventType"),
    "no position": (encode_line(EVENT).replace(b":7,", b":-7,"), "position"),
    "too large a number": (
        encode_line(EVENT).replace(b":3,", b":%d," % (TOMBSTONE + 1)),
        "eventNumber",
    ),
    "no time": (encode_line(EVENT).replace(b"1970-01-01T", b"yesterday "), "RFC 3339"),
    "a far time": (encode_line(EVENT).replace(b"1970-01-01T", b"9970-01-01T"), "stored"),
    "no day": (encode_line(EVENT).replace(b"1970-01-01T", b"1970-02-31T"), "day is out of range"),
    "another content": (encode_line(EVENT).replace(b"ion/json", b"ion/xml"), "contentType"),
    "another timestamp": (
        encode_line(EVENT).replace(b'"timestamp":"t","', b'"timestamp":"u","'),
        "timestamp is not the one in its metadata",
    ),
    "a short digest": (encode_line(Scavenged(7, "a", 3, bytes(16), "0f" * 31)), "scavenged"),
    "data of removed": (
        encode_line(Scavenged(7, "a", 3, bytes(16), ""))[:-1] + b',"data":1}',
        "data",
    ),
}


@pytest.mark.parametrize("what", sorted(BAD))
def test_any_other_line_is_refused_with_a_reason(what: str) -> None:
    line, said = BAD[what]
    with pytest.raises(ValueError, match=said):
        decode_line(line)
