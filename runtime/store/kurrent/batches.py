"""Appends as KurrentDB's `BatchAppend` takes and answers them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty

from runtime.errors import AppendRefused, StoreError, StoreForbidden, StreamDeleted
from runtime.events import NewEvent, id_text
from runtime.store.expectation import refusal
from runtime.store.port import Append, Appended, Expected
from runtime.store.protocol import BINARY, JSON, shared_pb2, status_pb2, streams_pb2

MESSAGE_BYTES = 512 * 1024
"""Bytes of events in one message; an append that has more is sent in several."""

NOWHERE = 2**62
"""A revision that no stream reaches: the refusal of an append tells where its stream stands."""

_FLAGS = {Expected.ANY: "any", Expected.NO_STREAM: "no_stream", Expected.EXISTS: "stream_exists"}


def requests(
    appends: Iterable[tuple[int, Append]], seconds: float
) -> Iterator[streams_pb2.BatchAppendReq]:
    """The messages that ask for numbered appends, each within `seconds`."""
    deadline = Duration(seconds=int(seconds))
    for number, append in appends:
        correlation = shared_pb2.UUID(string=id_text(number.to_bytes(16, "big")))
        options = streams_pb2.BatchAppendReq.Options(
            stream_identifier=shared_pb2.StreamIdentifier(stream_name=append.stream.encode()),
            deadline=deadline,
        )
        _expect(options, append.expected)
        pages = list(_pages(append.events))
        for page in pages[:-1]:
            yield streams_pb2.BatchAppendReq(
                correlation_id=correlation, options=options, proposed_messages=page
            )
        yield streams_pb2.BatchAppendReq(
            correlation_id=correlation,
            options=options,
            proposed_messages=pages[-1],
            is_final=True,
        )


def number_of(answer: streams_pb2.BatchAppendResp) -> int:
    """The number of the append that is answered."""
    return int(answer.correlation_id.string.replace("-", ""), 16)


def outcome(answer: streams_pb2.BatchAppendResp, append: Append) -> Appended | StoreError | None:
    """What became of `append`; None if that is not known, and it is to be sent again."""
    if answer.WhichOneof("result") == "error":
        return _refused(answer.error, append)
    success = answer.success
    empty = success.WhichOneof("current_revision_option") == "no_stream"
    revision = -1 if empty else success.current_revision
    position = success.position.commit_position if append.events else 0
    return Appended(revision, position)


def _expect(options: streams_pb2.BatchAppendReq.Options, expected: int | Expected) -> None:
    if expected == -1:
        expected = Expected.NO_STREAM
    if isinstance(expected, Expected):
        getattr(options, _FLAGS[expected]).CopyFrom(Empty())
    else:
        options.stream_position = expected if 0 <= expected < NOWHERE else NOWHERE


def _pages(
    events: Sequence[NewEvent],
) -> Iterator[list[streams_pb2.BatchAppendReq.ProposedMessage]]:
    """The events page by page; one page, if there are none."""
    page: list[streams_pb2.BatchAppendReq.ProposedMessage] = []
    size = 0
    for event in events:
        kind = JSON if event.json else BINARY
        message = streams_pb2.BatchAppendReq.ProposedMessage(
            id=shared_pb2.UUID(string=id_text(event.event_id)),
            metadata={"type": event.type, "content-type": kind},
            custom_metadata=event.metadata,
            data=event.data,
        )
        bytes_ = len(event.data) + len(event.metadata)
        if page and size + bytes_ > MESSAGE_BYTES:
            yield page
            page, size = [], 0
        page.append(message)
        size += bytes_
    yield page


def _refused(status: status_pb2.Status, append: Append) -> StoreError | None:
    details, stream = status.details, append.stream
    if details.Is(shared_pb2.WrongExpectedVersion.DESCRIPTOR):
        wrong = shared_pb2.WrongExpectedVersion()
        details.Unpack(wrong)
        found = wrong.WhichOneof("current_stream_revision_option") == "current_stream_revision"
        return refusal(append, wrong.current_stream_revision if found else -1)
    if details.Is(shared_pb2.StreamDeleted.DESCRIPTOR):
        return StreamDeleted(f"stream {stream!r} is deleted: append to another stream")
    if details.Is(shared_pb2.AccessDenied.DESCRIPTOR):
        return StoreForbidden(f"the server denies writing to {stream!r}: see the stream's $acl")
    if details.Is(shared_pb2.MaximumAppendSizeExceeded.DESCRIPTOR):
        return AppendRefused(
            f"an append of {len(append.events)} events to {stream!r} is larger than the server"
            " takes: raise its MaxAppendSize"
        )
    if details.Is(shared_pb2.BadRequest.DESCRIPTOR):
        bad = shared_pb2.BadRequest()
        details.Unpack(bad)
        return AppendRefused(f"the server refuses an append to {stream!r}: {bad.message}")
    return None
