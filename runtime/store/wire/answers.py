"""What clients are answered, as protobuf messages. Pure."""

from __future__ import annotations

import typing

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from grpc import StatusCode

from runtime.errors import StoreError, StreamDeleted, WrongExpectedVersion
from runtime.events import RecordedEvent, id_text
from runtime.store.port import Appended, Expected
from runtime.store.protocol import BINARY, JSON, TICK, code_pb2, shared_pb2, status_pb2, streams_pb2
from runtime.store.wire.refusal import Denied, Refusal, TooBig, TooLate

_CODES = {
    StatusCode.PERMISSION_DENIED: code_pb2.PERMISSION_DENIED,
    StatusCode.DEADLINE_EXCEEDED: code_pb2.DEADLINE_EXCEEDED,
    StatusCode.UNAVAILABLE: code_pb2.UNAVAILABLE,
}
_NO_REVISION = 2**64 - 1
"""How the older field says that a stream was expected not to be there."""


def uuid_of(event_id: bytes, *, structured: bool) -> shared_pb2.UUID:
    """An id, as two signed numbers or as text."""
    if not structured:
        return shared_pb2.UUID(string=id_text(event_id))
    high, low = (int.from_bytes(half, "big", signed=True) for half in (event_id[:8], event_id[8:]))
    return shared_pb2.UUID(
        structured=shared_pb2.UUID.Structured(
            most_significant_bits=high, least_significant_bits=low
        )
    )


def recorded_fields(event: RecordedEvent, *, structured: bool) -> dict[str, typing.Any]:
    """The fields of an event, the same in each of the services; `created` counts 100 ns."""
    return {
        "id": uuid_of(event.event_id, structured=structured),
        "stream_identifier": identifier(event.stream),
        "stream_revision": event.revision,
        "prepare_position": event.position,
        "commit_position": event.position,
        "metadata": {
            "type": event.type,
            "content-type": JSON if event.json else BINARY,
            "created": str(event.recorded_at // TICK),
        },
        "custom_metadata": event.metadata,
        "data": event.data,
    }


def checkpoint(position: int) -> streams_pb2.ReadResp:
    """How far a filtered subscription has come."""
    return streams_pb2.ReadResp(
        checkpoint=streams_pb2.ReadResp.Checkpoint(
            commit_position=position, prepare_position=position
        )
    )


def not_found(stream: str) -> streams_pb2.ReadResp:
    """That there is no such stream."""
    return streams_pb2.ReadResp(
        stream_not_found=streams_pb2.ReadResp.StreamNotFound(stream_identifier=identifier(stream))
    )


def identifier(stream: str) -> shared_pb2.StreamIdentifier:
    """A stream's name."""
    return shared_pb2.StreamIdentifier(stream_name=stream.encode())


def appended(answer: Appended) -> streams_pb2.AppendResp:
    """Where an append ended."""
    success = streams_pb2.AppendResp.Success()
    if answer.revision < 0:
        success.no_stream.SetInParent()
    else:
        success.current_revision = answer.revision
    if answer.position:
        success.position.commit_position = answer.position
        success.position.prepare_position = answer.position
    else:
        success.no_position.SetInParent()
    return streams_pb2.AppendResp(success=success)


def wrong_version(error: WrongExpectedVersion, expected: int | Expected) -> streams_pb2.AppendResp:
    """That the stream stands elsewhere, in the present and in the older fields."""
    answer = streams_pb2.AppendResp.WrongExpectedVersion()
    if error.actual < 0:
        answer.current_no_stream.SetInParent()
        answer.no_stream_20_6_0.SetInParent()
    else:
        answer.current_revision = answer.current_revision_20_6_0 = error.actual
    if expected is Expected.ANY:
        answer.expected_any.SetInParent()
        answer.any_20_6_0.SetInParent()
    elif expected is Expected.EXISTS:
        answer.expected_stream_exists.SetInParent()
        answer.stream_exists_20_6_0.SetInParent()
    elif isinstance(expected, int):
        answer.expected_revision = answer.expected_revision_20_6_0 = expected
    else:
        answer.expected_no_stream.SetInParent()
        answer.expected_revision_20_6_0 = _NO_REVISION
    return streams_pb2.AppendResp(wrong_expected_version=answer)


def batch_appended(
    correlation: shared_pb2.UUID,
    options: streams_pb2.BatchAppendReq.Options,
    answer: Appended,
) -> streams_pb2.BatchAppendResp:
    """Where an append of a batch ended."""
    response = _batch(correlation, options)
    if answer.revision < 0:
        response.success.no_stream.SetInParent()
    else:
        response.success.current_revision = answer.revision
    if answer.position:
        place = shared_pb2.AllStreamPosition(
            commit_position=answer.position, prepare_position=answer.position
        )
        response.success.position.CopyFrom(place)
    else:
        response.success.no_position.SetInParent()
    return response


def batch_refused(
    correlation: shared_pb2.UUID,
    options: streams_pb2.BatchAppendReq.Options,
    error: StoreError | Refusal,
) -> streams_pb2.BatchAppendResp:
    """Why an append of a batch was refused."""
    response = _batch(correlation, options)
    response.error.CopyFrom(
        status_pb2.Status(code=_code(error), message=str(error), details=_details(options, error))
    )
    return response


def _batch(
    correlation: shared_pb2.UUID, options: streams_pb2.BatchAppendReq.Options
) -> streams_pb2.BatchAppendResp:
    response = streams_pb2.BatchAppendResp(
        correlation_id=correlation, stream_identifier=options.stream_identifier
    )
    which = options.WhichOneof("expected_stream_position")
    if which == "stream_position":
        response.stream_position = options.stream_position
    elif which is not None:
        getattr(response, which).CopyFrom(getattr(options, which))
    return response


def _code(error: StoreError | Refusal) -> code_pb2.Code.ValueType:
    if isinstance(error, WrongExpectedVersion):
        return code_pb2.ALREADY_EXISTS
    if isinstance(error, StreamDeleted):
        return code_pb2.NOT_FOUND
    if not isinstance(error, Refusal):
        return code_pb2.UNKNOWN
    return _CODES.get(error.code, code_pb2.INVALID_ARGUMENT)


def _details(options: streams_pb2.BatchAppendReq.Options, error: StoreError | Refusal) -> Any:
    details = Any()
    details.Pack(_detail(options, error))
    return details


def _detail(options: streams_pb2.BatchAppendReq.Options, error: StoreError | Refusal) -> Message:
    if isinstance(error, WrongExpectedVersion):
        return _wrong(options, error)
    if isinstance(error, StreamDeleted):
        return shared_pb2.StreamDeleted(stream_identifier=options.stream_identifier)
    return _refused(error) if isinstance(error, Refusal) else shared_pb2.Unknown()


def _refused(refusal: Refusal) -> Message:
    if isinstance(refusal, Denied):
        return shared_pb2.AccessDenied()
    if isinstance(refusal, TooBig):
        return shared_pb2.MaximumAppendSizeExceeded(maxAppendSize=refusal.most)
    if isinstance(refusal, TooLate):
        return shared_pb2.Timeout()
    if refusal.code is StatusCode.UNAVAILABLE:
        return shared_pb2.Unknown()
    return shared_pb2.BadRequest(message=refusal.details)


def _wrong(
    options: streams_pb2.BatchAppendReq.Options, error: WrongExpectedVersion
) -> shared_pb2.WrongExpectedVersion:
    answer = shared_pb2.WrongExpectedVersion()
    if error.actual < 0:
        answer.current_no_stream.SetInParent()
    else:
        answer.current_stream_revision = error.actual
    which = options.WhichOneof("expected_stream_position")
    if which == "stream_position":
        answer.expected_stream_position = options.stream_position
    elif which is not None:
        getattr(answer, f"expected_{which}").SetInParent()
    return answer
