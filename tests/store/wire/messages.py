"""Requests of the service Streams, good and bad."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from runtime.store.protocol import shared_pb2, streams_pb2

Options = streams_pb2.ReadReq.Options


def identifier(name: bytes) -> shared_pb2.StreamIdentifier:
    return shared_pb2.StreamIdentifier(stream_name=name)


def append_options(name: bytes, revision: int | None = None) -> streams_pb2.AppendReq:
    of = streams_pb2.AppendReq.Options(stream_identifier=identifier(name))
    if revision is None:
        of.any.SetInParent()
    else:
        of.revision = revision
    return streams_pb2.AppendReq(options=of)


def proposed(data: bytes = b"{}") -> streams_pb2.AppendReq:
    message = streams_pb2.AppendReq.ProposedMessage(
        id=shared_pb2.UUID(string=str(uuid4())),
        metadata={"type": "Seen", "content-type": "application/json"},
        data=data,
    )
    return streams_pb2.AppendReq(proposed_message=message)


def batch(
    name: bytes | None, data: Sequence[bytes], correlation: str = "1", *, final: bool = True
) -> streams_pb2.BatchAppendReq:
    """A message of a batch; without a name it goes on with one that was begun."""
    messages = [
        streams_pb2.BatchAppendReq.ProposedMessage(
            id=shared_pb2.UUID(string=str(uuid4())),
            metadata={"type": "Seen", "content-type": "application/json"},
            data=each,
        )
        for each in data
    ]
    request = streams_pb2.BatchAppendReq(
        correlation_id=shared_pb2.UUID(string=correlation),
        proposed_messages=messages,
        is_final=final,
    )
    if name is not None:
        request.options.stream_identifier.stream_name = name
        request.options.any.SetInParent()
    return request


def reading(name: bytes | None, *, follow: bool = False, **changes: object) -> streams_pb2.ReadReq:
    """A read of a stream from its start, or of the log if it has no name; or a subscription."""
    of = Options(**changes)
    if name is None:
        of.all.start.SetInParent()
    else:
        of.stream.stream_identifier.stream_name = name
        of.stream.start.SetInParent()
    if follow:
        of.subscription.SetInParent()
    elif "count" not in changes:
        of.count = 2**63
    of.uuid_option.structured.SetInParent()
    return streams_pb2.ReadReq(options=of)
