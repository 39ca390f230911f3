from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise

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
    signed_metadata,
    split_metadata,
    unsigned_metadata,
)
from runtime.identity import (
    LARGEST_BATCH,
    Draft,
    SigningKey,
    StreamCheck,
    Trust,
    VerifyingKey,
    batch_message,
    check_stream,
    claim,
    draft,
    merkle_tree,
    recorded_digest,
    recorded_message,
    root_from_path,
    seal,
    seal_batch,
)

KEY = SigningKey.demo("scout")
PUBLIC = VerifyingKey.of(KEY.did)
STREAM = "agent-scout/pool"
TRUST = Trust({"scout": KEY.did}, {}, {"scout": "run-1"})


def drafted(count: int, stream: str = STREAM, run: str = "run-1") -> list[Draft]:
    """The first drafts of a stream, chained."""
    drafts: list[Draft] = []
    previous = GENESIS
    for number in range(count):
        cause = cause_fields(Cause("cause", "feed", number, number, 0, 0))
        metadata = unsigned_metadata(run, KEY.did, "1970-01-01T00:00:00Z", cause, previous)
        event = NewEvent(named_id(f"{stream}{number}"), "AgentDecisionMade", b"{}", metadata)
        drafts.append(draft(stream, number, event))
        previous = sha256(drafts[-1].message).hexdigest()
    return drafts


def stored(drafts: Sequence[Draft], events: Sequence[NewEvent]) -> list[RecordedEvent]:
    return [
        RecordedEvent(
            one.revision, one.stream, one.revision, e.event_id, e.type, e.data, e.metadata, 0
        )
        for one, e in zip(drafts, events, strict=True)
    ]


def batched(count: int, *cuts: int, stream: str = STREAM, run: str = "run-1"):
    """The first events of a stream, signed in batches that begin at `cuts`."""
    drafts = drafted(count, stream, run)
    bounds = [0, *cuts, count]
    events = [
        event
        for start, end in pairwise(bounds)
        for event in seal_batch(drafts[start:end], KEY.sign)
    ]
    return stored(drafts, events)


def is_proven(event: RecordedEvent) -> bool:
    """Whether an event holds alone, with nothing but the public key."""
    try:
        return PUBLIC.verifies(*claim(*recorded_message(event)))
    except MetadataInvalid:
        return False


def resigned(event: RecordedEvent, change: Callable[[bytes], bytes]) -> RecordedEvent:
    unsigned, signature = split_metadata(event.metadata)
    return replace(event, metadata=signed_metadata(unsigned, change(signature)))


def signature_of(event: RecordedEvent) -> bytes:
    return split_metadata(event.metadata)[1]


@pytest.mark.parametrize("count", range(1, 71))
def test_every_event_of_a_batch_is_proven_alone(count: int):
    events = batched(count)
    assert all(map(is_proven, events))
    assert check_stream(events, STREAM, TRUST) is None
    assert len({signature_of(event)[:64] for event in events}) == 1


def test_a_batch_has_the_form_that_is_written():
    drafts = drafted(3)
    events = stored(drafts, seal_batch(drafts, KEY.sign))
    leaves = [sha256(b"\0" + one.message).digest() for one in drafts]
    pair = sha256(b"\1" + leaves[0] + leaves[1]).digest()
    root = sha256(b"\1" + pair + leaves[2]).digest()
    signature = KEY.sign(b"LucentBatchV1 1 3 32 " + root)
    assert [signature_of(event) for event in events] == [
        signature + bytes((0, 0, 0, 0, 0, 0, 0, 3)) + leaves[1] + leaves[2],
        signature + bytes((0, 0, 0, 1, 0, 0, 0, 3)) + leaves[0] + leaves[2],
        signature + bytes((0, 0, 0, 2, 0, 0, 0, 3)) + pair,
    ]


def test_a_batch_of_one_is_sealed_plainly():
    (one,) = drafted(1)
    assert seal_batch([one], KEY.sign) == [seal(one, KEY.sign)]
    assert seal_batch([], KEY.sign) == []


@given(st.integers(2, 20), st.sets(st.integers(1, 19)))
def test_the_chain_does_not_depend_on_how_events_are_signed(count: int, cuts: set[int]):
    events = batched(count, *sorted(cut for cut in cuts if cut < count))
    plain = stored(drafted(count), [seal(one, KEY.sign) for one in drafted(count)])
    assert check_stream(events, STREAM, TRUST) is None
    assert [*map(recorded_digest, events)] == [*map(recorded_digest, plain)]
    assert [split_metadata(event.metadata)[0] for event in events] == [
        split_metadata(event.metadata)[0] for event in plain
    ]


def test_the_same_drafts_give_the_same_bytes():
    assert batched(9, 4) == batched(9, 4)


def test_more_events_than_a_batch_holds_become_several():
    event = NewEvent(bytes(16), "Kind", b"{}", b"{")
    drafts = [draft("s-1", number, event) for number in range(LARGEST_BATCH + 1)]
    signed = []
    events = seal_batch(drafts, lambda message: signed.append(message) or KEY.sign(message))
    assert len(signed) == 2
    ends = [drafts[LARGEST_BATCH - 1], drafts[-1]]
    last, alone = stored(ends, events[-2:])
    assert len(signature_of(last)) == 72 + 16 * 32
    assert len(signature_of(alone)) == 64
    assert is_proven(last)
    assert is_proven(alone)


@given(count=st.integers(2, 20), at=st.integers(0, 19), bit=st.integers(0, 8 * 240))
def test_any_flipped_bit_of_a_signature_place_or_path_is_found(count: int, at: int, bit: int):
    event = batched(count)[at % count]

    def flipped(signature: bytes) -> bytes:
        place = bit % (8 * len(signature))
        number = int.from_bytes(signature, "big") ^ 1 << place
        return number.to_bytes(len(signature), "big")

    assert not is_proven(resigned(event, flipped))


@given(count=st.integers(2, 20), at=st.integers(0, 19), place=st.binary(min_size=8, max_size=8))
def test_another_place_is_found(count: int, at: int, place: bytes):
    event = batched(count)[at % count]
    assume(place != signature_of(event)[64:72])
    assert not is_proven(resigned(event, lambda s: s[:64] + place + s[72:]))


@given(count=st.integers(2, 20), at=st.integers(0, 19), data=st.data())
def test_every_near_place_is_found(count: int, at: int, data: st.DataObject):
    event = batched(count)[at % count]
    index = data.draw(st.integers(0, count + 2))
    other = data.draw(st.integers(0, count + 2))
    assume((index, other) != (at % count, count))
    place = index.to_bytes(4, "big") + other.to_bytes(4, "big")
    assert not is_proven(resigned(event, lambda s: s[:64] + place + s[72:]))


@pytest.mark.parametrize(
    "edit",
    [
        {"event_id": bytes(16)},
        {"type": "PositionRecommended"},
        {"data": b"[]"},
        {"stream": "agent-scout/other"},
        {"revision": 99},
    ],
)
@given(count=st.integers(2, 20), at=st.integers(0, 19))
def test_any_edit_of_what_is_signed_is_found(edit: dict, count: int, at: int):
    assert not is_proven(replace(batched(count)[at % count], **edit))


@given(count=st.integers(2, 20), at=st.integers(0, 19), place=st.integers(0, 999))
def test_any_edit_of_the_signed_metadata_is_found(count: int, at: int, place: int):
    event = batched(count)[at % count]
    unsigned, signature = split_metadata(event.metadata)
    cut = place % len(unsigned)
    for other in (
        unsigned[:cut] + bytes([unsigned[cut] ^ 1]) + unsigned[cut + 1 :],
        unsigned[:cut] + unsigned[cut + 1 :],
        unsigned + b',"signature":"A"',
    ):
        assert not is_proven(replace(event, metadata=signed_metadata(other, signature)))


@given(count=st.integers(2, 20), one=st.integers(0, 19), two=st.integers(0, 19))
def test_signatures_do_not_hold_for_each_other(count: int, one: int, two: int):
    events = batched(count)
    first, second = events[one % count], events[two % count]
    assume(first != second)
    assert not is_proven(resigned(first, lambda _: signature_of(second)))


@pytest.mark.parametrize(
    "other",
    [
        batched(8, stream="agent-scout/other"),
        batched(8, run="run-2"),
        batched(12, 2, 9),
        batched(8, 4),
        batched(9),
    ],
)
def test_nothing_of_another_batch_holds_but_the_whole_signature_of_the_same_event(
    other: list[RecordedEvent],
):
    for mine in batched(8):
        own, message = signature_of(mine), recorded_message(mine)[0]
        for event in other:
            theirs = signature_of(event)
            same = recorded_message(event)[0] == message
            assert is_proven(resigned(mine, lambda _, theirs=theirs: theirs)) == same
            mixed = {theirs[:at] + own[at:] for at in (64, 68, 72)}
            mixed |= {own[:at] + theirs[at:] for at in (64, 68, 72)}
            for one in mixed - {own, theirs}:
                assert not is_proven(resigned(mine, lambda _, one=one: one))


@given(st.integers(2, 12), st.integers(0, 11), st.integers(0, 11))
def test_swapped_and_dropped_events_of_a_batch_are_found(count: int, one: int, two: int):
    one, two = one % count, two % count
    assume(one != two)
    swapped = batched(count)
    swapped[one], swapped[two] = (
        replace(swapped[two], revision=one),
        replace(swapped[one], revision=two),
    )
    damage = check_stream(swapped, STREAM, TRUST)
    assert damage is not None
    assert (damage.kind, damage.revision) == ("signature", min(one, two))
    shorter = [event for event in batched(count) if event.revision != min(one, two)]
    damage = check_stream(shorter, STREAM, TRUST)
    assert damage is not None
    assert damage.kind == "gap"


def test_batches_of_another_stream_or_run_are_found():
    for events in (batched(4, stream="agent-scout/other"), batched(4, run="run-2")):
        spliced = [replace(event, stream=STREAM) for event in events]
        damage = check_stream([*batched(9)[:3], spliced[3]], STREAM, TRUST)
        assert damage is not None
        assert damage.revision == 3


def test_the_signature_of_a_batch_is_none_of_a_message_and_the_other_way_around():
    batch, alone = batched(2)[0], stored(drafted(1), [seal(drafted(1)[0], KEY.sign)])[0]
    assert not is_proven(resigned(batch, lambda s: s[:64]))
    assert not is_proven(resigned(batch, lambda s: signature_of(alone) + s[64:]))
    assert not is_proven(resigned(alone, lambda _: signature_of(batched(2)[1])))


@pytest.mark.parametrize(
    ("tail", "said"),
    [
        ((0, 0, 1), "of a batch of 0: it must be of 2 to 65536"),
        ((0, 1, 1), "of a batch of 1: it must be of 2 to 65536"),
        ((0, LARGEST_BATCH + 1, 17), "of a batch of 65537: it must be of 2 to 65536"),
        ((0, 2**32 - 1, 32), "of a batch of 4294967295"),
        ((2, 2, 1), "leaf 2 is not in a tree of 2"),
        ((2**32 - 1, 2, 1), "leaf 4294967295 is not in a tree of 2"),
        ((0, 2, 2), "leaf 0 of 2 has 1 nodes of 32 bytes, this one has 64 bytes"),
        ((2, 3, 2), "leaf 2 of 3 has 1 nodes of 32 bytes, this one has 64 bytes"),
        ((0, 8, 2), "leaf 0 of 8 has 3 nodes of 32 bytes, this one has 64 bytes"),
    ],
)
def test_a_place_and_a_path_that_cannot_be_are_named(tail: tuple[int, int, int], said: str):
    index, count, nodes = tail
    place = index.to_bytes(4, "big") + count.to_bytes(4, "big")
    event = resigned(batched(2)[0], lambda s: s[:64] + place + bytes(32 * nodes))
    with pytest.raises(MetadataInvalid, match=said):
        claim(*recorded_message(event))
    damage = check_stream([event], STREAM, TRUST)
    assert damage is not None
    assert damage.kind == "metadata"
    assert said in damage.detail


@pytest.mark.parametrize("length", [0, 63, 65, 71])
def test_a_signature_of_another_length_claims_nothing(length: int):
    with pytest.raises(MetadataInvalid, match=f"has {length} bytes: it must have 64"):
        claim(b"message", bytes(length))


@pytest.mark.parametrize("count", [1, LARGEST_BATCH + 1])
def test_a_tree_too_small_or_too_large_is_refused_even_if_it_is_signed(count: int):
    (one,) = drafted(1)
    path = bytes(32) * (count - 1).bit_length()
    root = root_from_path(one.message, 0, count, path)
    signature = KEY.sign(batch_message(root, count)) + bytes(4) + count.to_bytes(4, "big") + path
    with pytest.raises(MetadataInvalid, match=f"of a batch of {count}"):
        claim(one.message, signature)


def test_the_root_is_that_of_the_messages():
    messages = [one.message for one in drafted(5)]
    root, paths = merkle_tree(messages)
    for event, path in zip(batched(5), paths, strict=True):
        message, signature = recorded_message(event)
        assert signature[72:] == path
        assert claim(message, signature).signed == batch_message(root, 5)


class Counting:
    """A public key that counts what it verifies."""

    def __init__(self) -> None:
        self.count = 0

    def verifies(self, signature: bytes, message: bytes) -> bool:
        self.count += 1
        return PUBLIC.verifies(signature, message)


def test_a_batch_is_verified_once():
    key = Counting()
    check = StreamCheck(STREAM, TRUST, _keys={KEY.did: key})  # type: ignore[dict-item]
    assert [check.check(event) for event in batched(50, 10, 11, 40)] == [None] * 50
    assert key.count == 4


def test_what_was_verified_is_forgotten_again():
    check = StreamCheck(STREAM, TRUST)
    sizes = {len(check._held) for event in batched(60, *range(2, 60, 2)) if not check.check(event)}
    assert sizes == {1, 2, 3, 4}


@given(count=st.integers(2, 20), at=st.integers(1, 19), bit=st.integers(0, 8 * 2000))
def test_a_tampered_event_is_found_behind_others_of_its_batch(count: int, at: int, bit: int):
    at = at % (count - 1) + 1
    events = batched(count)
    raw = events[at].metadata
    place = bit // 8 % len(raw)
    edited = raw[:place] + bytes([raw[place] ^ 1 << bit % 8]) + raw[place + 1 :]
    for other in ({"metadata": edited}, {"data": b"[]"}, {"event_id": bytes(16)}):
        check = StreamCheck(STREAM, TRUST)
        assert not any(check.check(event) for event in events[:at])
        assert check.check(replace(events[at], **other)) is not None
        assert check.check(events[at]) is None


def test_what_was_verified_for_one_key_is_not_for_another():
    other = SigningKey.demo("other")
    drafts = drafted(4)
    unsigned = drafts[3].event.metadata.replace(KEY.did.encode(), other.did.encode())
    drafts[3] = draft(STREAM, 3, drafts[3].event._replace(metadata=unsigned))
    events = stored(drafts, seal_batch(drafts, KEY.sign))
    check = StreamCheck(STREAM, TRUST)
    assert not any(check.check(event) for event in events[:3])
    check.trust = Trust({"scout": other.did}, {})
    damage = check.check(events[3])
    assert damage is not None
    assert damage.kind == "signature"
