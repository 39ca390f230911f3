"""What clients ask, read from protobuf messages; anything else is a `Refusal`. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from uuid import UUID

from runtime.events import NewEvent
from runtime.store.expectation import TOMBSTONE
from runtime.store.port import Expected, Filter
from runtime.store.protocol import JSON, persistent_pb2, shared_pb2, streams_pb2
from runtime.store.wire.refusal import TooBig, incomplete, invalid

Proposed = streams_pb2.AppendReq.ProposedMessage | streams_pb2.BatchAppendReq.ProposedMessage
Expecting = (
    streams_pb2.AppendReq.Options
    | streams_pb2.DeleteReq.Options
    | streams_pb2.TombstoneReq.Options
    | streams_pb2.BatchAppendReq.Options
)
MAX_NAME = 1024
"""Bytes of a stream's name, and characters of an event's type; errors tell names in trailers, of
which clients take few kilobytes."""

Filtering = (
    streams_pb2.ReadReq.Options.FilterOptions | persistent_pb2.CreateReq.AllOptions.FilterOptions
)
_WINDOW = 32
"""Events that are looked at in one go for a filter that names no window, as KurrentDB does."""

_SIGN = 1 << 63
_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Reading:
    """A read of a stream, or of the whole log if `stream` is None.

    `start` is a revision or a position, None for the beginning; `at_end` takes its place.
    With `follow` it is a subscription that begins behind `start`. `window` is how
    many events of a filtered subscription are looked at between two checkpoints.
    """

    stream: str | None
    start: int | None
    at_end: bool
    backwards: bool
    follow: bool
    limit: int | None
    resolve: bool
    structured: bool
    compatibility: int
    only: Filter
    window: int | None


def stream_name(identifier: shared_pb2.StreamIdentifier) -> str:
    """The name of a stream."""
    if len(identifier.stream_name) > MAX_NAME:
        raise invalid(f"the name of the stream is longer than {MAX_NAME} bytes: shorten it")
    try:
        name = identifier.stream_name.decode()
    except UnicodeDecodeError:
        raise invalid("the name of the stream is not UTF-8") from None
    if not name or "\0" in name:
        raise invalid("the name of the stream is empty or holds a NUL")
    return name


def event_id(uuid: shared_pb2.UUID) -> bytes:
    """The 16 bytes of an id, given as text or as two signed numbers."""
    if uuid.WhichOneof("value") == "structured":
        high, low = uuid.structured.most_significant_bits, uuid.structured.least_significant_bits
        return (high % (2 * _SIGN)).to_bytes(8, "big") + (low % (2 * _SIGN)).to_bytes(8, "big")
    try:
        plain = uuid.string.replace("-", "")
        return bytes.fromhex(plain) if len(plain) == 32 else UUID(uuid.string).bytes
    except ValueError:
        raise invalid(f"{uuid.string[:80]!r} is not a UUID: give the event an id") from None


def expected_of(options: Expecting) -> int | Expected:
    """At what the stream is expected to stand."""
    if isinstance(options, streams_pb2.BatchAppendReq.Options):
        which: str | None = options.WhichOneof("expected_stream_position")
    else:
        which = options.WhichOneof("expected_stream_revision")
    named = {
        "no_stream": Expected.NO_STREAM,
        "any": Expected.ANY,
        "stream_exists": Expected.EXISTS,
    }
    if which is None:
        raise invalid("the append does not say which revision it expects")
    if which in named:
        return named[which]
    number: int = getattr(options, which)
    return min(number, TOMBSTONE)


def new_event(message: Proposed) -> NewEvent:
    """The event that a client proposes."""
    kind, content = message.metadata.get("type"), message.metadata.get("content-type")
    if not kind or not content:
        raise incomplete()
    if len(kind) > MAX_NAME:
        raise invalid(f"the type of the event is longer than {MAX_NAME} characters: shorten it")
    identity = event_id(message.id)
    return NewEvent(identity, kind, message.data, message.custom_metadata, content == JSON)


def size_of(events: Iterable[NewEvent]) -> int:
    """What events count for against the limit of an append, in bytes; each at least its id."""
    sizes = (len(e.data) + len(e.metadata) + 2 * len(e.type) for e in events)
    return sum(max(_ID_BYTES, size) for size in sizes)


def check_size(size: int, most: int) -> None:
    """Refuse what is larger than an append may be."""
    if size > most:
        raise TooBig(most)


def deadline_of(options: streams_pb2.BatchAppendReq.Options, now: float) -> float:
    """When a batch must be stored that begins at `now`, in seconds since 1970.

    >>> deadline_of(streams_pb2.BatchAppendReq.Options(deadline={"seconds": 5}), 100.0)
    105.0
    """
    which = options.WhichOneof("deadline_option")
    if which == "deadline":
        return now + options.deadline.seconds + options.deadline.nanos / 1e9
    if which == "deadline_21_10_0":
        time = options.deadline_21_10_0
        return time.seconds + time.nanos / 1e9
    return math.inf


def reading(options: streams_pb2.ReadReq.Options) -> Reading:
    """What a read asks for."""
    of_stream = options.WhichOneof("stream_option") == "stream"
    if not of_stream and options.WhichOneof("stream_option") is None:
        raise invalid("the read names neither a stream nor $all")
    start, at_end = _stream_start(options) if of_stream else _log_start(options)
    follow = options.WhichOneof("count_option") == "subscription"
    backwards = options.read_direction == streams_pb2.ReadReq.Options.ReadDirection.Backwards
    filtered = options.WhichOneof("filter_option") == "filter" and not of_stream
    if backwards and follow:
        raise invalid("a subscription cannot go backwards")
    return Reading(
        stream=stream_name(options.stream.stream_identifier) if of_stream else None,
        start=start,
        at_end=at_end,
        backwards=backwards,
        follow=follow,
        limit=None if follow else options.count,
        resolve=options.resolve_links,
        structured=options.uuid_option.WhichOneof("content") == "structured",
        compatibility=options.control_option.compatibility,
        only=replace(
            filter_of(options.filter) if filtered else Filter(), hide_bookkeeping=not of_stream
        ),
        window=_window(options.filter) if filtered and follow else None,
    )


def _stream_start(options: streams_pb2.ReadReq.Options) -> tuple[int | None, bool]:
    which = options.stream.WhichOneof("revision_option")
    if which == "revision":
        revision = options.stream.revision
        return (None, True) if revision == 2 * _SIGN - 1 else (min(revision, TOMBSTONE), False)
    return None, which == "end"


def _log_start(options: streams_pb2.ReadReq.Options) -> tuple[int | None, bool]:
    which = options.all.WhichOneof("all_option")
    if which == "position":
        commit = options.all.position.commit_position
        return (None, True) if commit == 2 * _SIGN - 1 else (min(commit, TOMBSTONE), False)
    return None, which == "end"


def filter_of(options: Filtering) -> Filter:
    """Which events a client asks for."""
    which = options.WhichOneof("filter")
    if which is None:
        raise invalid("the filter says neither event_type nor stream_identifier")
    expression = getattr(options, which)
    prefixes = tuple(expression.prefix)
    if which == "event_type":
        return Filter(type_prefixes=prefixes, type_pattern=expression.regex)
    return Filter(streams=prefixes, stream_pattern=expression.regex)


def _window(options: streams_pb2.ReadReq.Options.FilterOptions) -> int:
    if options.checkpointIntervalMultiplier < 1:
        raise invalid("the checkpoint interval multiplier must be at least 1")
    considered = options.max if options.WhichOneof("window") == "max" else _WINDOW
    if considered < 1:
        raise invalid("the filter window must be at least 1")
    return considered * options.checkpointIntervalMultiplier
