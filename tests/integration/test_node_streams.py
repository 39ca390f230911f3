"""Appends, deletions and metadata by KurrentDB's clients for Node."""

from __future__ import annotations

import pytest

from tests.integration.conftest import MAX_APPEND, Ask, Told

HOWS = ("batch", "alone")


@pytest.fixture(scope="module")
def told(ask: Ask) -> Told:
    return ask("streams.mjs")


def wrong(stream: str, expected: int | str, actual: int | str) -> Told:
    error = "wrong-expected-version"
    return {"error": error, "streamName": stream, "expected": expected, "actual": actual}


def test_what_is_read_is_what_was_appended(told: Told) -> None:
    text, raw = told["read"]
    assert (text["type"], text["isJson"], text["data"]) == ("Text", True, {"a": [1, "ü"]})
    assert (raw["type"], raw["isJson"], raw["data"]) == ("Raw", False, [0, 255])
    assert (text["metadata"], raw["metadata"]) == ({"$correlationId": "x"}, [1, 2])
    assert [(each["streamId"], each["revision"]) for each in (text, raw)] == [
        ("s-1", 0),
        ("s-1", 1),
    ]
    assert text["created"]
    assert raw["created"]
    assert told["same ids"] == [True, True]
    assert raw["position"] == told["first"]["position"]


def test_an_append_sent_twice_is_there_once(told: Told) -> None:
    assert told["first"]["success"]
    assert told["first"]["nextExpectedRevision"] == 1
    assert told["first again"] == told["first"]


@pytest.mark.parametrize("how", HOWS)
def test_an_append_of_another_version_is_refused(told: Told, how: str) -> None:
    stream = f"e-{how}"
    assert told[f"{how} exists on none"] == wrong(stream, "stream_exists", "no_stream")
    assert told[f"{how} 3 on none"] == wrong(stream, 3, "no_stream")
    assert told[f"{how} no stream on 1"] == wrong(stream, "no_stream", 1)
    assert told[f"{how} 0 on 1"] == wrong(stream, 0, 1)
    assert told[f"{how} 5 on 1"] == wrong(stream, 5, 1)
    assert told["quiet"] == {"success": False, "nextExpectedRevision": 1}


@pytest.mark.parametrize("how", HOWS)
def test_an_append_of_the_version_that_is_there(told: Told, how: str) -> None:
    names = ("any", "1 on 1", "exists", "large")
    answers = [told[f"{how} {name}"] for name in names]
    assert [answer["nextExpectedRevision"] for answer in answers] == [1, 2, 3, 4]
    positions = [answer["position"]["commit"] for answer in answers]
    assert positions == sorted(positions)
    assert told[f"{how} nothing"]["success"]
    assert told[f"{how} stored"] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("how", HOWS)
def test_an_append_too_large_is_refused_whole(told: Told, how: str) -> None:
    refused = {"error": "maximum-append-size-exceeded", "maxAppendSize": MAX_APPEND}
    assert told[f"{how} too large"] == refused
    assert told["after all"]


def test_an_event_without_a_type_is_refused(told: Told) -> None:
    assert told["batch no type"]["error"] == "unknown"
    assert told["alone no type"] == {
        "error": "missing-required-metadata-property",
        "requiredMetadataProperties": ["type", "content-type"],
    }


def test_a_batch_in_many_messages_among_others(told: Told) -> None:
    ends = [answer["nextExpectedRevision"] for answer in told["in parts"]]
    assert ends == [299, 1, 2, 3]
    assert told["in order"]


def test_a_deleted_stream(told: Told) -> None:
    assert told["delete at 1"] == wrong("d-1", 1, 2)
    assert told["deleted"]
    assert told["read deleted"] == {"error": "stream-not-found", "streamName": "d-1"}
    assert told["exists on deleted"] == {"error": "stream-deleted", "streamName": "d-1"}
    assert told["revived"] == [3]
    assert told["delete none"] == wrong("d-none", -2, -1)


def test_a_stream_with_a_tombstone(told: Told) -> None:
    assert told["tombstone at 7"] == wrong("d-1", 7, 3)
    assert told["tombstoned"]
    acts = ("read", "append", "delete", "tombstone")
    refused = [told[f"{act} tombstoned"] for act in acts] + [told["append tombstoned alone"]]
    assert refused == [{"error": "stream-deleted", "streamName": "d-1"}] * 5


def test_metadata(told: Told) -> None:
    assert told["no metadata"] is None
    given = {"maxCount": 2, "acl": {"readRoles": ["$all"]}, "owner": "desk"}
    assert told["metadata"] == given
    assert told["limited"] == [3, 4]
    assert told["set metadata again"] == wrong("$$m-1", "no_stream", 0)
