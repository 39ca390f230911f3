"""Reads as KurrentDB takes and answers them. Pure."""

from __future__ import annotations

from typing import NamedTuple

from google.protobuf.message import Message

from runtime.events import RecordedEvent
from runtime.store.protocol import JSON, TICK, shared_pb2, streams_pb2

WINDOW, INTERVAL = 1024, 5
"""Events that a server looks at in one go for a subscription, and after how many such windows
it tells how far it has come."""

_Options = streams_pb2.ReadReq.Options
_FORWARDS = _Options.ReadDirection.Forwards
_BACKWARDS = _Options.ReadDirection.Backwards


class Reached(NamedTuple):
    """How far a subscription to the log has come; `live`: there is nothing more for now."""

    position: int
    live: bool


def of_stream(
    stream: str, start: int | None, limit: int, *, backwards: bool
) -> streams_pb2.ReadReq:
    """Asks for `limit` events of a stream, from a revision or from its beginning or end."""
    options = _options(backwards=backwards)
    options.count = limit
    options.stream.stream_identifier.stream_name = stream.encode()
    if start is None:
        _mark(options.stream.end if backwards else options.stream.start)
    else:
        options.stream.revision = start
    _mark(options.no_filter)
    return streams_pb2.ReadReq(options=options)


def of_log(start: int | None, limit: int, names: str, *, backwards: bool) -> streams_pb2.ReadReq:
    """Asks for `limit` events of the streams whose names match, from a position on."""
    options = _options(backwards=backwards)
    options.count = limit
    _place(options, start, backwards=backwards)
    options.filter.stream_identifier.regex = names
    _mark(options.filter.count)
    options.filter.checkpointIntervalMultiplier = INTERVAL
    return streams_pb2.ReadReq(options=options)


def following(after: int | None, names: str) -> streams_pb2.ReadReq:
    """Subscribes to the streams whose names match, behind a position."""
    options = _options(backwards=False)
    _mark(options.subscription)
    _place(options, after, backwards=False)
    options.filter.stream_identifier.regex = names
    options.filter.max = WINDOW
    options.filter.checkpointIntervalMultiplier = INTERVAL
    return streams_pb2.ReadReq(options=options)


def event_of(answer: streams_pb2.ReadResp) -> RecordedEvent | None:
    """The event that an answer holds; None for one that tells something else."""
    if answer.WhichOneof("content") != "event":
        return None
    found = answer.event.event
    told = found.metadata
    return RecordedEvent(
        position=found.commit_position,
        stream=found.stream_identifier.stream_name.decode(),
        revision=found.stream_revision,
        event_id=bytes.fromhex(found.id.string.replace("-", "")),
        type=told["type"],
        data=found.data,
        metadata=found.custom_metadata,
        recorded_at=int(told["created"]) * TICK,
        json=told["content-type"] == JSON,
    )


def reached_of(answer: streams_pb2.ReadResp, reached: int) -> Reached | None:
    """How far an answer says that a subscription has come, which was at `reached` before."""
    which = answer.WhichOneof("content")
    if which == "caught_up":
        return Reached(reached, live=True)
    if which == "checkpoint":
        return Reached(answer.checkpoint.commit_position, live=False)
    return None


def _options(*, backwards: bool) -> _Options:
    options = _Options(read_direction=_BACKWARDS if backwards else _FORWARDS)
    _mark(options.uuid_option.string)
    return options


def _place(options: _Options, start: int | None, *, backwards: bool) -> None:
    if start is None:
        _mark(options.all.end if backwards else options.all.start)
    else:
        options.all.position.commit_position = options.all.position.prepare_position = start


def _mark(empty: shared_pb2.Empty | Message) -> None:
    empty.SetInParent()
