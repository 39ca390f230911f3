"""Groups as they are written down, and what else may stand there."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from runtime.errors import StoreDamaged, SubscriptionFailed
from runtime.store.persistent import Name, Settings, Subscription, place_of
from runtime.store.persistent.config import Config
from runtime.store.port import Filter

AT = "2026-01-01T00:00:00Z"
SET = Settings(
    start=7,
    resolve=True,
    strategy="Pinned",
    message_timeout=1,
    max_retries=2,
    checkpoint_after=3,
    min_checkpoint=4,
    max_checkpoint=5,
    max_subscribers=6,
    live_buffer=8,
    read_batch=9,
    history_buffer=10,
    extra_statistics=True,
)
GROUPS = [
    Subscription(Name("s-1", "g"), SET),
    Subscription(Name("s-1", "live"), Settings(), since=12),
    Subscription(Name("$all", "g"), SET),
    Subscription(Name("$all", "types"), SET, Filter(type_prefixes=("A,", "B"))),
    Subscription(Name("$all", "names"), SET, Filter(streams=("a-",))),
    Subscription(Name("$all", "pattern"), SET, Filter(type_pattern="^(?!x)")),
    Subscription(Name("$all", "streams"), SET, Filter(stream_pattern="^a")),
]


def of(*groups: Subscription) -> Config:
    config = Config()
    for group in groups:
        config = config.with_group(group)
    return config


def test_what_is_written_is_what_is_read() -> None:
    read = Config(of(*GROUPS).encoded(AT))
    assert list(read.groups.values()) == GROUPS


def test_the_form_is_that_of_kurrentdb() -> None:
    written = msgspec.json.decode(of(*GROUPS[4:5]).encoded(AT))
    assert (written["version"], written["updated"]) == ("2", AT)
    (entry,) = written["entries"]
    assert (entry["stream"], entry["group"], entry["startPosition"]) == ("$all", "names", "C:7/P:7")
    assert entry["namedConsumerStrategy"] == "Pinned"
    assert (entry["filter"]["context"], entry["filter"]["type"]) == ("streamid", "prefix")


def test_changes_and_deletions() -> None:
    changed = replace(GROUPS[0], settings=Settings())
    config = of(*GROUPS[:3]).with_group(changed).without(GROUPS[1].name)
    assert list(config.groups.values()) == [changed, GROUPS[2]]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("namedConsumerStrategy", "Custom"),
        ("startPosition", "C:7/P:7"),
        ("readBatchSize", 10),
        ("maxRetryCount", 2**40),
        ("group", None),
        ("filter", {"context": "odd", "type": "regex", "data": "x"}),
    ],
)
def test_an_entry_that_cannot_be_served_is_kept_and_hinders_no_other(
    field: str, value: object
) -> None:
    written = msgspec.json.decode(of(*GROUPS[:2]).encoded(AT))
    written["entries"][0][field] = value
    config = Config(msgspec.json.encode(written))
    assert list(config.groups) == [GROUPS[1].name]
    kept = msgspec.json.decode(config.with_group(GROUPS[2]).encoded(AT))["entries"]
    assert kept[0] == written["entries"][0]
    assert len(kept) == 3


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"version":"2","entries":1}', b"\xff"])
def test_what_is_no_configuration(data: bytes) -> None:
    with pytest.raises(StoreDamaged, match=r"persistentSubscriptionConfig"):
        Config(data)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (replace(SET, strategy="Odd"), "Odd does not exist"),
        (replace(SET, read_batch=10), "ReadBatchSize"),
        (replace(SET, read_batch=0), "at least 1"),
    ],
)
def test_settings_that_cannot_be_served(settings: Settings, told: str) -> None:
    with pytest.raises(SubscriptionFailed, match=told):
        settings.check()


@pytest.mark.parametrize("text", ["", "x", "C:1/P:1", "1.5"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(ValueError, match="no place"):
        place_of("s-1", text)
