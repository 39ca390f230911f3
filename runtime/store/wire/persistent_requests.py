"""What clients ask of persistent subscriptions, read from protobuf messages. Pure.

Both forms of naming a stream are taken: the `stream_option`, and the fields before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from runtime.errors import SubscriptionFailed
from runtime.store.expectation import TOMBSTONE
from runtime.store.persistent import Acked, Action, Nacked, Name, Settings, Subscription
from runtime.store.policy import ALL
from runtime.store.port import Filter
from runtime.store.protocol import persistent_pb2
from runtime.store.wire.refusal import invalid
from runtime.store.wire.requests import event_id, filter_of, stream_name

MAX_IN_FLIGHT = 10_000
"""Events that one consumer may have in flight, however many it asks for."""

MAX_REASON = 10_000
"""Characters of a nack's reason that are kept with a parked event."""

Changing = persistent_pb2.CreateReq.Options | persistent_pb2.UpdateReq.Options
Naming = (
    persistent_pb2.ReadReq.Options
    | persistent_pb2.DeleteReq.Options
    | persistent_pb2.GetInfoReq.Options
    | persistent_pb2.ReplayParkedReq.Options
)
_LIVE = 2**64 - 1
_TICKS = 10_000


@dataclass(frozen=True, slots=True)
class Reading:
    """A consumer that takes up to `size` events that it has not answered for."""

    name: Name
    size: int
    structured: bool


def reading(request: persistent_pb2.ReadReq) -> Reading:
    """What the first message of a consumer asks for."""
    if request.WhichOneof("content") != "options":
        raise invalid("the first message of a read must be its options")
    options = request.options
    if options.buffer_size < 1:
        raise invalid(f"the buffer size must be at least 1, not {options.buffer_size}")
    structured = options.uuid_option.WhichOneof("content") != "string"
    return Reading(name_of(options), min(options.buffer_size, MAX_IN_FLIGHT), structured)


def answer_of(request: persistent_pb2.ReadReq, consumer: int) -> Acked | Nacked:
    """What a later message of a consumer tells."""
    which = request.WhichOneof("content")
    if which == "ack":
        return Acked(consumer, [event_id(each) for each in request.ack.ids])
    if which != "nack":
        raise invalid("after its options a read takes acks and nacks only")
    nack = request.nack
    if nack.action not in persistent_pb2.ReadReq.Nack.Action.values():
        raise invalid(f"{nack.action} is no action of a nack: use one of 0 to 4")
    ids = [event_id(each) for each in nack.ids]
    return Nacked(consumer, ids, Action(nack.action), nack.reason[:MAX_REASON])


def name_of(options: Naming) -> Name:
    """The group that is asked about."""
    if options.WhichOneof("stream_option") == "all":
        return Name(ALL, _group(options.group_name))
    return Name(stream_name(options.stream_identifier), _group(options.group_name))


def changing_name(options: Changing) -> Name:
    """The group that is created or changed."""
    which = options.WhichOneof("stream_option")
    group = _group(options.group_name)
    if which == "all":
        return Name(ALL, group)
    of = options.stream.stream_identifier if which == "stream" else options.stream_identifier
    return Name(stream_name(of), group)


def created(options: persistent_pb2.CreateReq.Options) -> Subscription:
    """The group that is to be made."""
    settings = options.settings
    old = persistent_pb2.CreateReq.ConsumerStrategy
    named = settings.consumer_strategy or _strategy(old.items(), settings.named_consumer_strategy)
    filtered = options.WhichOneof("stream_option") == "all" and options.all.HasField("filter")
    only = _filter(options.all.filter) if filtered else Filter()
    return Subscription(_settable(options), _settings(options, named), only)


def updated(options: persistent_pb2.UpdateReq.Options) -> Subscription:
    """The group as it is to be; its filter cannot be changed."""
    old = persistent_pb2.UpdateReq.ConsumerStrategy
    named = _strategy(old.items(), options.settings.named_consumer_strategy)
    return Subscription(_settable(options), _settings(options, named))


def listed(options: persistent_pb2.ListReq.Options) -> str | None:
    """The stream whose groups are asked for, None for all."""
    which = options.WhichOneof("list_option")
    if which is None:
        raise invalid("the list says neither list_all_subscriptions nor list_for_stream")
    if which == "list_all_subscriptions":
        return None
    of = options.list_for_stream
    return ALL if of.WhichOneof("stream_option") == "all" else stream_name(of.stream)


def stop_at(options: persistent_pb2.ReplayParkedReq.Options) -> int | None:
    """The revision before which a replay stops, None for the end."""
    return options.stop_at if options.WhichOneof("stop_at_option") == "stop_at" else None


def _group(name: str) -> str:
    if not name or "\0" in name:
        raise invalid("the name of the group is empty or holds a NUL")
    return name


def _settable(options: Changing) -> Name:
    name = changing_name(options)
    if name.stream == ALL and options.WhichOneof("stream_option") != "all":
        raise SubscriptionFailed(
            "Persistent subscriptions to $all are only supported over gRPC through gRPC clients"
        )
    return name


def _strategy(names: Sequence[tuple[str, int]], number: int) -> str:
    return next((name for name, value in names if value == number), str(number))


def _filter(options: persistent_pb2.CreateReq.AllOptions.FilterOptions) -> Filter:
    only = filter_of(options)
    pattern = only.stream_pattern or only.type_pattern
    return replace(only, streams=(), type_prefixes=()) if pattern else only


def _settings(options: Changing, strategy: str) -> Settings:
    given = options.settings
    return Settings(
        start=_start(options),
        resolve=given.resolve_links,
        strategy=strategy,
        message_timeout=_milliseconds(given.message_timeout_ms, given.message_timeout_ticks),
        max_retries=given.max_retry_count,
        checkpoint_after=_milliseconds(given.checkpoint_after_ms, given.checkpoint_after_ticks),
        min_checkpoint=given.min_checkpoint_count,
        max_checkpoint=given.max_checkpoint_count,
        max_subscribers=given.max_subscriber_count,
        live_buffer=given.live_buffer_size,
        read_batch=given.read_batch_size,
        history_buffer=given.history_buffer_size,
        extra_statistics=given.extra_statistics,
    )


def _milliseconds(given: int, ticks: int) -> int:
    """A time that is given in milliseconds or in 100 ns; the one that is not given is 0."""
    return given or max(-(2**31), min(int(ticks / _TICKS), 2**31 - 1))


def _start(options: Changing) -> int | None:
    """The first revision or position, None for the end."""
    which = options.WhichOneof("stream_option")
    if which == "all":
        return _log_start(options)
    if which is None:
        revision = options.settings.revision
    else:
        option = options.stream.WhichOneof("revision_option")
        revision = _LIVE if option == "end" else options.stream.revision
    return None if revision == _LIVE else min(revision, TOMBSTONE)


def _log_start(options: Changing) -> int | None:
    place = options.all.position
    commit, prepare = place.commit_position, place.prepare_position
    if options.all.WhichOneof("all_option") == "end" or commit == _LIVE:
        return None
    if prepare > commit:
        raise SubscriptionFailed(
            "Invalid Start From position: prepare position must be less than or equal to"
            " the commit position."
        )
    return min(commit, TOMBSTONE)
