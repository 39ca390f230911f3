from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from runtime.errors import EventNotFound, MetadataInvalid, StoreMissing
from runtime.events import id_text
from runtime.jobs.explanation import explain
from tests.support.damage import Stored, contents, damaged, dropping, setting, stored, stream_of
from tests.support.jobs import run_in, write_rates

WATCHED = "agent-watcher/celo/usdc"
FOLLOWED = "agent-follower/USDC"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return run_in(tmp_path).store


def ids(events: list[Stored]) -> list[str]:
    return [id_text(event.event_id) for event in events]


def test_a_decision_is_followed_back_to_the_row_that_was_seen(log: Path):
    rows = pq.read_table(log.with_name("rates.parquet")).to_pylist()
    for event in stream_of(log, FOLLOWED):
        explained = explain(log, id_text(event.event_id))
        assert explained.damages == ()
        assert explained.decision["eventNumber"] == event.revision
        (cause,) = explained.causes
        assert cause["eventId"] == explained.decision["metadata"]["causationId"]
        assert (
            cause["streamId"] == f"agent-watcher/{explained.decision['data']['features']['pool']}"
        )
        seen = explained.origin.values
        assert seen == rows[explained.origin.row]
        assert (explained.origin.feed, seen["pool"]) == ("rates", cause["data"]["aggregate"])
        assert round(seen["rate"] * 100, 6) == cause["data"]["yield"]


def test_an_observer_has_no_cause_but_its_row(log: Path):
    event = stream_of(log, WATCHED)[2]
    explained = explain(log, id_text(event.event_id))
    assert explained.causes == ()
    assert explained.origin.values is not None
    assert explained.origin.values["pool"] == "celo/usdc"
    assert explained.origin.row == 16


def test_the_rule_is_told_as_the_run_declared_it(log: Path):
    (event, *_) = ids(stream_of(log, WATCHED))
    agent = explain(log, event).agent
    assert (agent["name"], agent["strategy"], agent["version"]) == ("watcher", "watch", "1")
    assert agent["parameters"] == {"every": 2}


def test_a_file_that_is_gone_is_said_to_be(log: Path):
    log.with_name("rates.parquet").unlink()
    explained = explain(log, ids(stream_of(log, FOLLOWED))[0])
    assert explained.origin.values is None
    assert "rates.parquet" in explained.origin.missing
    assert explained.damages == ()


def test_a_file_that_changed_is_not_read(log: Path):
    write_rates(log.with_name("rates.parquet"), shift=0.001)
    explained = explain(log, ids(stream_of(log, FOLLOWED))[0])
    assert explained.origin.values is None
    assert explained.origin.missing.endswith("is not the file the run read")


def test_what_is_no_decision_is_not_found(log: Path):
    with pytest.raises(EventNotFound, match="is not an event id"):
        explain(log, "nonsense")
    with pytest.raises(EventNotFound, match="no event 00000000"):
        explain(log, id_text(bytes(16)))
    for event in stream_of(log, "system-study"):
        with pytest.raises(EventNotFound, match="holds no decisions"):
            explain(log, id_text(event.event_id))
    with pytest.raises(StoreMissing):
        explain(log.with_name("other.db"), id_text(bytes(16)))


def test_damage_to_a_decision_is_told_with_it(log: Path):
    event = stream_of(log, FOLLOWED)[3]
    data = event.data.replace(b'"rotate"', b'"remain"')
    explained = explain(damaged(log, setting(event.position, data=data)), ids([event])[0])
    assert explained.decision["data"]["action"] == "remain"
    (damage,) = explained.damages
    assert (damage.stream, damage.revision, damage.kind) == (FOLLOWED, 3, "signature")
    assert explained.origin.values is None


def test_damage_to_a_cause_is_told_with_the_decision(log: Path):
    decision = stream_of(log, FOLLOWED)[0]
    cause = next(e for e in stored(log) if id_text(e.event_id) in decision.metadata.decode())
    copy = damaged(log, setting(cause.position, data=cause.data + b" "))
    (damage,) = explain(copy, ids([decision])[0]).damages
    assert (damage.stream, damage.revision) == (cause.stream, cause.revision)


def test_damage_to_the_start_of_the_run_is_told(log: Path):
    start = stored(log)[0]
    data = start.data.replace(b'"every":2', b'"every":3')
    assert data != start.data
    copy = damaged(log, setting(start.position, data=data))
    (damage,) = explain(copy, ids(stream_of(log, WATCHED))[0]).damages
    assert (damage.stream, damage.revision) == ("system-study", 0)


def test_damage_behind_a_decision_does_not_touch_it(log: Path):
    first, *_, last = stream_of(log, WATCHED)
    copy = damaged(log, setting(last.position, data=b"{}"))
    assert explain(copy, ids([first])[0]).damages == ()


def test_a_cause_that_was_dropped_is_told(log: Path):
    decision = stream_of(log, FOLLOWED)[0]
    cause = next(e for e in stored(log) if id_text(e.event_id) in decision.metadata.decode())
    explained = explain(damaged(log, dropping(cause.position)), ids([decision])[0])
    (damage,) = explained.damages
    assert (damage.stream, damage.revision, damage.kind) == (FOLLOWED, 0, "cause")
    assert explained.causes == ()


def test_causes_in_a_circle_come_to_an_end(log: Path):
    decision = stream_of(log, FOLLOWED)[0]
    text = id_text(decision.event_id).encode()
    metadata = decision.metadata[:17] + text + decision.metadata[17 + len(text) :]
    copy = damaged(log, setting(decision.position, metadata=metadata))
    (damage,) = explain(copy, text.decode()).damages
    assert damage.kind == "signature"


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": b"{}"},
        {"metadata": b""},
        {"metadata": b'{"a":' + b"[" * 50_000},
        {"data": b""},
        {"data": b"\xff"},
        {"data": b"[" * 50_000},
    ],
)
def test_a_decision_that_cannot_be_read_is_named(log: Path, change: dict[str, bytes]):
    event = stream_of(log, WATCHED)[1]
    copy = damaged(log, setting(event.position, **change))
    with pytest.raises(MetadataInvalid, match="event 1 of agent-watcher/celo/usdc"):
        explain(copy, ids([event])[0])


def test_a_decision_whose_run_is_gone_is_told(log: Path):
    copy = damaged(log, dropping(1))
    with pytest.raises(EventNotFound, match="does not hold the start of run"):
        explain(copy, ids(stream_of(log, WATCHED))[0])


def test_a_start_that_names_other_feeds_does_not_stop_the_explanation(log: Path):
    start = stored(log)[0]
    for found, other in ((b'"event_type"', b'"event_tipe"'), (b'"name":"rates"', b'"name":"x"')):
        data = start.data.replace(found, other)
        copy = damaged(log, setting(start.position, **contents(start) | {"data": data}))
        explained = explain(copy, ids(stream_of(log, WATCHED))[0])
        assert [one.stream for one in explained.damages] == ["system-study"]
