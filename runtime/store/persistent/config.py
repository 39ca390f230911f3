"""The persistent subscriptions of a store as JSON, in KurrentDB's form. Pure.

They are the last event of the stream `$persistentSubscriptionConfig`. Two fields are
added that KurrentDB passes over: `since` of a group without a start, and the `prefixes`
of a filter, which it joins by commas.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from runtime.errors import StoreDamaged, SubscriptionFailed
from runtime.store.expectation import TOMBSTONE
from runtime.store.persistent.place import place_of, place_text
from runtime.store.persistent.settings import Name, Settings, Subscription
from runtime.store.policy import ALL
from runtime.store.port import Filter

STREAM, TYPE = "$persistentSubscriptionConfig", "$PersistentConfig"
_VERSION = "2"
_Int = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
_Place = Annotated[int, msgspec.Meta(ge=-1, le=TOMBSTONE)]
_BY_STREAM, _BY_TYPE = "streamid", "eventtype"
_REGEX, _PREFIX = "regex", "prefix"


class _Filter(msgspec.Struct, rename="camel"):
    context: str
    type: str
    data: str
    is_all_stream: bool = True
    prefixes: list[str] = []


class _Entry(msgspec.Struct, rename="camel"):
    stream: str
    group: str
    start_position: str
    resolve_link_tos: bool
    extra_statistics: bool
    message_timeout: _Int
    live_buffer_size: _Int
    history_buffer_size: _Int
    max_retry_count: _Int
    read_batch_size: _Int
    check_point_after: _Int
    min_check_point_count: _Int
    max_check_point_count: _Int
    max_subscriber_count: _Int
    named_consumer_strategy: str
    filter: _Filter | None = None
    since: _Place = -1


class _Config(msgspec.Struct, rename="camel"):
    version: str
    updated: str = ""
    updated_by: str | None = None
    entries: list[msgspec.Raw] = []


_ENTRIES = msgspec.json.Decoder(_Entry)


class Config:
    """The groups of a store; entries that cannot be served are kept as they are."""

    def __init__(self, data: bytes | None = None) -> None:
        """`data` is the JSON, if there is any; raises `StoreDamaged` for one of another form."""
        self.groups: dict[Name, Subscription] = {}
        self._kept: list[msgspec.Raw] = []
        for entry in [] if data is None else _entries(data):
            subscription = _read(entry)
            if subscription is None or subscription.name in self.groups:
                self._kept.append(entry)
            else:
                self.groups[subscription.name] = subscription

    def with_group(self, subscription: Subscription) -> Config:
        """The same with a group added, or changed."""
        return self._with({**self.groups, subscription.name: subscription})

    def without(self, name: Name) -> Config:
        """The same without a group."""
        return self._with({each: group for each, group in self.groups.items() if each != name})

    def encoded(self, updated: str) -> bytes:
        """The JSON, changed at `updated` (RFC 3339)."""
        entries = [msgspec.Raw(msgspec.json.encode(_entry(each))) for each in self.groups.values()]
        return msgspec.json.encode(_Config(_VERSION, updated, None, [*self._kept, *entries]))

    def _with(self, groups: dict[Name, Subscription]) -> Config:
        config = Config()
        config.groups, config._kept = groups, self._kept
        return config


def _entries(data: bytes) -> Sequence[msgspec.Raw]:
    try:
        return msgspec.json.decode(data, type=_Config).entries
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StoreDamaged(
            f"the last event of {STREAM} is no configuration of persistent subscriptions"
            f" ({error}): append one that is, and restart the subsystem"
        ) from None


def _read(entry: msgspec.Raw) -> Subscription | None:
    """The group of an entry, None if it cannot be served."""
    try:
        read = _ENTRIES.decode(entry)
        settings = _settings(read)
        settings.check()
        only = Filter() if read.filter is None else _filter(read.filter)
    except (msgspec.DecodeError, ValueError, RecursionError, SubscriptionFailed):
        return None
    return Subscription(Name(read.stream, read.group), settings, only, read.since)


def _settings(entry: _Entry) -> Settings:
    return Settings(
        start=place_of(entry.stream, entry.start_position),
        resolve=entry.resolve_link_tos,
        strategy=entry.named_consumer_strategy,
        message_timeout=entry.message_timeout,
        max_retries=entry.max_retry_count,
        checkpoint_after=entry.check_point_after,
        min_checkpoint=entry.min_check_point_count,
        max_checkpoint=entry.max_check_point_count,
        max_subscribers=entry.max_subscriber_count,
        live_buffer=entry.live_buffer_size,
        read_batch=entry.read_batch_size,
        history_buffer=entry.history_buffer_size,
        extra_statistics=entry.extra_statistics,
    )


def _entry(subscription: Subscription) -> _Entry:
    settings, name = subscription.settings, subscription.name
    return _Entry(
        stream=name.stream,
        group=name.group,
        start_position=place_text(name.stream, settings.start),
        resolve_link_tos=settings.resolve,
        extra_statistics=settings.extra_statistics,
        message_timeout=settings.message_timeout,
        live_buffer_size=settings.live_buffer,
        history_buffer_size=settings.history_buffer,
        max_retry_count=settings.max_retries,
        read_batch_size=settings.read_batch,
        check_point_after=settings.checkpoint_after,
        min_check_point_count=settings.min_checkpoint,
        max_check_point_count=settings.max_checkpoint,
        max_subscriber_count=settings.max_subscribers,
        named_consumer_strategy=settings.strategy,
        filter=_written(subscription.only)
        if name.stream == ALL and subscription.filtered
        else None,
        since=subscription.since,
    )


def _written(only: Filter) -> _Filter:
    by_stream = bool(only.streams or only.stream_pattern)
    pattern = only.stream_pattern or only.type_pattern
    prefixes = list(only.streams or only.type_prefixes)
    return _Filter(
        context=_BY_STREAM if by_stream else _BY_TYPE,
        type=_REGEX if pattern else _PREFIX,
        data=pattern or ",".join(prefixes),
        prefixes=prefixes,
    )


def _filter(read: _Filter) -> Filter:
    """What a filter lets pass; raises `ValueError` for one that is none."""
    if read.context not in {_BY_STREAM, _BY_TYPE} or read.type not in {_REGEX, _PREFIX}:
        raise ValueError(f"{read.context!r} {read.type!r}")
    by_stream = read.context == _BY_STREAM
    if read.type == _REGEX:
        pattern = read.data
        return Filter(stream_pattern=pattern) if by_stream else Filter(type_pattern=pattern)
    prefixes = tuple(read.prefixes or [each for each in read.data.split(",") if each])
    return Filter(streams=prefixes) if by_stream else Filter(type_prefixes=prefixes)
