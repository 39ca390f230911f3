"""Law 5, proof: whatever is done to a log behind its authors' backs is found and named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runtime.errors import StoreDamaged
from runtime.events import GENESIS
from runtime.identity import SigningKey, recorded_digest
from runtime.jobs.verification import verify_store
from tests.support.damage import (
    Stored,
    adding,
    assert_found,
    closing_up,
    contents,
    damaged,
    dropping,
    dropping_stream,
    renaming,
    setting,
    signed,
    some,
    stored,
    stream_of,
)
from tests.support.jobs import follower, run_in, watcher, write_rates

RUN = "system-study"
STREAMS = (
    "agent-watcher/base/usdc",
    "agent-watcher/celo/usdc",
    "agent-watcher/base/dai",
    "agent-follower/USDC",
    "agent-follower/DAI",
)
FOREIGN = SigningKey.demo("somebody else")
ORDER = 2**252 + 27742317777372353535851937790883648493
"""The order of the Ed25519 base point."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_in(tmp_path_factory.mktemp("log")).store


@pytest.fixture(scope="module")
def other_parameters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of the same agents with the same keys, on the same tape, deciding more often."""
    folder = tmp_path_factory.mktemp("parameters")
    agents = [watcher(every=1), follower()]
    return run_in(folder, agents=agents).store


@pytest.fixture(scope="module")
def other_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of the same agents with the same keys, on another tape."""
    folder = tmp_path_factory.mktemp("data")
    write_rates(folder / "rates.parquet", shift=0.001)
    return run_in(folder).store


def flipped(raw: bytes, place: int, bit: int) -> bytes:
    at = place % len(raw)
    return raw[:at] + bytes([raw[at] ^ 1 << bit]) + raw[at + 1 :]


def test_an_undamaged_log_is_sound(log: Path):
    verdict = verify_store(log)
    assert verdict.damages == ()
    assert (verdict.events, verdict.streams) == (38, 6)


def test_every_column_of_every_event_is_covered(log: Path):
    for event in some(log):
        for column, value in contents(event).items():
            raw = value if isinstance(value, bytes) else str(value).encode()
            edit = setting(event.position, **{column: flipped(raw, len(raw) // 2, 0)})
            assert_found(damaged(log, edit), event.stream, event.revision)


@settings(max_examples=250)
@given(
    chosen=st.integers(0, 37),
    column=st.sampled_from(("event_id", "type", "data", "metadata", "metadata", "data")),
    place=st.integers(0, 10_000),
    bit=st.integers(0, 7),
)
def test_any_flipped_bit_is_found(log: Path, chosen: int, column: str, place: int, bit: int):
    event = stored(log)[chosen]
    value = contents(event)[column]
    raw = value if isinstance(value, bytes) else str(value).encode()
    copy = damaged(log, setting(event.position, **{column: flipped(raw, place, bit)}))
    if column == "type" and bit == 7:
        with pytest.raises(StoreDamaged, match="UTF-8"):
            verify_store(copy)
        return
    assert_found(copy, event.stream, event.revision)


@settings(max_examples=60)
@given(stream=st.sampled_from((*STREAMS, RUN)), place=st.integers(0, 30), bit=st.integers(0, 6))
def test_any_flipped_bit_of_a_stream_name_is_found(log: Path, stream: str, place: int, bit: int):
    name = flipped(stream.encode(), place, bit).decode()
    assume(name not in STREAMS)
    assert_found(damaged(log, renaming(stream, name.encode())), name, 0)


def test_a_stream_that_becomes_another_kind_is_not_passed_over(log: Path):
    for name in ("market-x", "user-x", "x", "", "-", "agent-watcher", "agent-/", "agent-nobody/x"):
        assert_found(damaged(log, renaming(STREAMS[0], name.encode())), name, 0)


@pytest.mark.parametrize("field", ["previous", "position", "row", "source", "timestamp", "agentId"])
def test_every_field_of_the_metadata_is_covered(log: Path, field: str):
    for event in some(log):
        pattern = rb'("%s":"[^"]*)(.)"' % field.encode()
        other = re.sub(pattern, lambda m: m[1] + (b"3" if m[2] != b"3" else b"4") + b'"', event[6])
        assert other != event.metadata
        copy = damaged(log, setting(event.position, metadata=other))
        assert_found(copy, event.stream, event.revision)


@pytest.mark.parametrize("stream", [*STREAMS, RUN])
def test_a_dropped_event_is_found_where_the_next_stands(log: Path, stream: str):
    for event in stream_of(log, stream)[:-1]:
        found = assert_found(
            damaged(log, dropping(event.position)), stream, event.revision + 1
        ).damages
        assert any(one.kind == "gap" and "dropped" in one.detail for one in found)


@pytest.mark.parametrize("stream", [*STREAMS, RUN])
def test_a_dropped_event_whose_place_was_closed_up_is_found(log: Path, stream: str):
    for event in stream_of(log, stream)[:-1]:
        edits = (dropping(event.position), closing_up(stream, event.revision))
        assert_found(damaged(log, *edits), stream, event.revision)


@pytest.mark.parametrize("stream", STREAMS)
def test_a_cut_tail_is_found_by_the_recorded_root(log: Path, stream: str):
    events = stream_of(log, stream)
    for kept in range(len(events)):
        cut = damaged(log, *(dropping(event.position) for event in events[kept:]))
        (damage,) = assert_found(cut, RUN, 1).damages
        assert damage.kind == "root"
        assert "over 36 decisions" in damage.detail


@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_that_is_gone_is_found_by_the_recorded_root(log: Path, stream: str):
    (damage,) = assert_found(damaged(log, dropping_stream(stream)), RUN, 1).damages
    assert damage.kind == "root"


def test_a_cut_tail_without_its_end_is_found_by_a_root_printed_earlier(log: Path):
    (root,) = verify_store(log).roots.values()
    end, last = stored(log)[-1], stream_of(log, STREAMS[3])[-1]
    assert verify_store(log, root=root).damages == ()
    cut = damaged(log, dropping(end.position), dropping(last.position))
    assert verify_store(cut).damages == ()
    (damage,) = verify_store(cut, root=root).damages
    assert damage.kind == "root"
    assert root in damage.detail


@settings(max_examples=60)
@given(one=st.integers(0, 37), two=st.integers(0, 37))
def test_two_swapped_events_are_found(log: Path, one: int, two: int):
    assume(one != two)
    first, second = stored(log)[one], stored(log)[two]
    copy = damaged(
        log,
        setting(first.position, **contents(second)),
        setting(second.position, **contents(first)),
    )
    assert_found(copy, first.stream, first.revision)


@pytest.mark.parametrize("stream", [*STREAMS, RUN])
def test_an_event_repeated_at_the_end_of_its_stream_is_found(log: Path, stream: str):
    events = stream_of(log, stream)
    for event in events:
        repeated = event._replace(position=1_000, revision=len(events))
        assert_found(damaged(log, adding(repeated)), stream, len(events))


def test_an_event_repeated_in_a_stream_of_its_own_is_found(log: Path):
    event = stream_of(log, STREAMS[0])[0]
    copy = damaged(log, adding(event._replace(position=1_000, stream="agent-watcher/new")))
    assert_found(copy, "agent-watcher/new", 0)


@settings(max_examples=60)
@given(one=st.integers(0, 37), two=st.integers(0, 37))
def test_an_event_spliced_from_another_stream_is_found(log: Path, one: int, two: int):
    place, other = stored(log)[one], stored(log)[two]
    assume(place.stream != other.stream)
    copy = damaged(log, setting(place.position, **contents(other)))
    assert_found(copy, place.stream, place.revision)


@pytest.mark.parametrize("from_log", ["other_parameters", "other_data"])
def test_an_event_spliced_from_another_run_is_found(
    log: Path, from_log: str, request: pytest.FixtureRequest
):
    others = {event[1:3]: event for event in stored(request.getfixturevalue(from_log))}
    for event in stored(log):
        other = others[event.stream, event.revision]
        copy = damaged(log, setting(event.position, **contents(other)))
        first = event.revision if event.type != "RunStarted" else 1
        assert_found(copy, event.stream, first)


@pytest.mark.parametrize("from_log", ["other_parameters", "other_data"])
@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_spliced_from_another_run_is_found(
    log: Path, from_log: str, stream: str, request: pytest.FixtureRequest
):
    spliced = stream_of(request.getfixturevalue(from_log), stream)
    placed = (event._replace(position=1_000 + event.revision) for event in spliced)
    copy = damaged(log, dropping_stream(stream), *map(adding, placed))
    found = assert_found(copy, stream, 0).damages
    assert [one.kind for one in found] == ["run"]


def test_the_signature_of_a_foreign_key_is_found(log: Path):
    for event in some(log):
        claimed = setting(event.position, **contents(signed(event, FOREIGN.sign)))
        assert_found(damaged(log, claimed), event.stream, event.revision)


def test_a_foreign_author_is_found_even_if_its_signature_holds(log: Path):
    for event in some(log):
        copy = damaged(log, setting(event.position, **contents(_taken_over([event])[0])))
        verdict = assert_found(copy, event.stream, event.revision)
        assert "author" in {damage.kind for damage in verdict.damages}


@pytest.mark.parametrize("stream", [*STREAMS, RUN])
def test_a_whole_stream_signed_anew_by_a_foreign_key_is_found(log: Path, stream: str):
    events = _taken_over(stream_of(log, stream))
    edits = [setting(event.position, **contents(event)) for event in events]
    found = assert_found(damaged(log, *edits), stream, 0).damages
    assert {one.kind for one in found} == {"author"}


def test_the_other_encodings_of_a_signature_are_refused(log: Path):
    for event in stored(log)[:6]:
        head, tail = event.unsigned + b',"signature":"', event.metadata[-3:]
        text = event.metadata[len(head) : -2]
        assert tail == b'="}'
        loose = text[:-3] + bytes([text[-3] + 1]) + b"=="
        url = text.replace(b"+", b"-").replace(b"/", b"_")
        for form in {loose, url, text.rstrip(b"="), text + b"\n", text.replace(b"=", b"")} - {text}:
            copy = damaged(log, setting(event.position, metadata=head + form + b'"}'))
            found = assert_found(copy, event.stream, event.revision).damages
            assert found[0].kind == "metadata"


def test_a_signature_with_its_scalar_moved_by_the_group_order_is_refused(log: Path):
    event = stored(log)[3]

    def moved(message: bytes) -> bytes:
        raw = SigningKey.demo("watcher").sign(message)
        scalar = int.from_bytes(raw[32:], "little") + ORDER
        return raw[:32] + scalar.to_bytes(32, "little")

    copy = damaged(log, setting(event.position, **contents(signed(event, moved))))
    assert_found(copy, event.stream, event.revision)


@pytest.mark.parametrize(
    ("found", "other"),
    [
        (b'","', b'", "'),
        (b'":"', b'": "'),
        (b"{", b"{ "),
        (b'"}', b'"} '),
        (b'"}', b'" }'),
        (b"did:key:z", b"did:KEY:z"),
        (b"T", b"t"),
        (b"agentId", b"AgentId"),
        (b',"signature"', b',"note":"1","signature"'),
        (b'"}', b'","note":"1"}'),
    ],
)
def test_another_form_of_the_same_metadata_is_found(log: Path, found: bytes, other: bytes):
    for event in some(log):
        changed = event.metadata.replace(found, other)
        assert changed != event.metadata
        copy = damaged(log, setting(event.position, metadata=changed))
        assert_found(copy, event.stream, event.revision)


def test_another_form_of_the_same_data_is_found(log: Path):
    for event in some(log):
        copy = damaged(log, setting(event.position, data=event.data + b" "))
        assert_found(copy, event.stream, event.revision)


def _taken_over(events: list[Stored]) -> list[Stored]:
    """Events with their author replaced and signed by a foreign key, chained anew."""
    taken, previous = [], GENESIS
    for event in events:
        unsigned = re.sub(rb"did:key:\w+", FOREIGN.did.encode(), event.unsigned)
        if len(events) > 1:
            chain = b'"previous":"%s"' % previous.encode()
            unsigned = re.sub(rb'"previous":"\w+"', chain, unsigned)
        new = signed(event, FOREIGN.sign, unsigned)
        previous = recorded_digest(new)  # type: ignore[arg-type]
        taken.append(new)
    return taken
