"""EventStoreDB's Python client: its connection, its calls, its errors.

The only module that uses it; the messages it ships are those of `runtime.store.protocol`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from typing import Any
from urllib.parse import unquote

import grpc
from esdbclient import EventStoreDBClient, StreamState, exceptions
from esdbclient.common import handle_rpc_error

from runtime.errors import (
    AddressUnusable,
    StoreError,
    StoreForbidden,
    StoreUnreachable,
    StreamDeleted,
    StreamNotFound,
)
from runtime.events import RecordedEvent
from runtime.store.expectation import refusal
from runtime.store.kurrent import reads
from runtime.store.kurrent.reads import Reached
from runtime.store.opening import shown
from runtime.store.port import Append, Expected
from runtime.store.protocol import streams_pb2, streams_stub

CALL_SECONDS = 30.0
"""The deadline of a call that reads or writes a stream, unless the address gives another."""

SCAN_SECONDS = 300.0
"""The deadline of a call that looks through the whole log."""

_ANEW = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
)
_STATES = {
    Expected.ANY: StreamState.ANY,
    Expected.NO_STREAM: StreamState.NO_STREAM,
    Expected.EXISTS: StreamState.EXISTS,
}
_ACTUAL = re.compile(r"Actual version: (-?\d+)")
_DENIED = {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED}
_PASSING = {
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNKNOWN,
}


class PositionInvalid(StoreError):
    """No event of the server's log begins at that position."""


class Client(EventStoreDBClient):
    """One connection to a server or a cluster; safe to share between threads.

    Methods raise `StoreError` leaves for what will not change, and what the client or gRPC
    raise for what may; `told` sorts them out.
    """

    def __init__(self, address: str, *, leader: bool = True) -> None:
        """Reads are made of the `leader`, or else of the node that the address prefers.

        `address` is one that `check_address` lets pass. Raises `AddressUnusable` where a file
        that it names cannot be read, and what the client raises where it finds no node.
        """
        try:
            super().__init__(address)
        except OSError as error:
            file = f"cannot read {error.filename} ({error.strerror})"
            raise AddressUnusable(f"{shown(address)}: {file}: correct the address") from None
        spec = self.connection_spec
        if spec.username is not None:
            login, secret = unquote(spec.username), unquote(spec.password or "")
            self._call_credentials = self.construct_call_credentials(login, secret)
        options = spec.options
        self.seconds = options.DefaultDeadline or CALL_SECONDS
        self._leads = leader or options.NodePreference == "leader"
        self._mending = Lock()

    def mend(self, channel: grpc.Channel, error: Exception) -> None:
        """Connect anew if `channel`, whose call ended with `error`, is still the one in use."""
        with self._mending:
            if self.channel is channel and not self.is_closed:
                self.reconnect(_leader(error))

    def append(
        self, requests: Iterable[streams_pb2.BatchAppendReq]
    ) -> Iterator[streams_pb2.BatchAppendResp]:
        """The answers to a series of appends, as they come."""
        stub = streams_stub(self.channel)
        try:
            yield from stub.BatchAppend(
                iter(requests),
                timeout=self.seconds,
                metadata=(*self._call_metadata, ("requires-leader", "true")),
                credentials=self._call_credentials,
            )
        except grpc.RpcError as error:
            raise handle_rpc_error(error) from None

    def stream_page(
        self, stream: str, start: int | None, limit: int, *, backwards: bool
    ) -> list[RecordedEvent]:
        """The next `limit` events of a stream. Raises `StreamNotFound` and `StreamDeleted`."""
        request = reads.of_stream(stream, start, limit, backwards=backwards)
        page = []
        for answer in self._read(request, self.seconds):
            if answer.WhichOneof("content") == "stream_not_found":
                raise _missing(stream)
            page.append(reads.event_of(answer))
        return [event for event in page if event is not None]

    def log_page(
        self, start: int | None, limit: int, *, backwards: bool, names: str
    ) -> list[RecordedEvent]:
        """The next `limit` events of the streams whose names match `names`.

        Raises `PositionInvalid` where no event begins at `start`.
        """
        request = reads.of_log(start, limit, names, backwards=backwards)
        page = [reads.event_of(answer) for answer in self._read(request, SCAN_SECONDS)]
        return [event for event in page if event is not None]

    def follow(
        self, after: int | None, names: str, seconds: float
    ) -> Iterator[RecordedEvent | Reached]:
        """Events behind `after` of the streams whose names match, for so many seconds at most."""
        reached = -1 if after is None else after
        for answer in self._read(reads.following(after, names), seconds):
            item = reads.event_of(answer) or reads.reached_of(answer, reached)
            if item is not None:
                reached = item.position
                yield item

    def _read(self, request: streams_pb2.ReadReq, seconds: float) -> Iterator[streams_pb2.ReadResp]:
        """The answers to a read.

        Unlike the client's own reads, one that another thread cuts off by connecting anew
        raises, and does not look like one that came to its end.
        """
        stub = streams_stub(self.channel)
        call = stub.Read(
            request,
            timeout=seconds,
            metadata=(*self._call_metadata, ("requires-leader", str(self._leads).lower())),
            credentials=self._call_credentials,
        )
        try:
            yield from call
        except grpc.RpcError as error:
            raise handle_rpc_error(error) from None
        finally:
            call.cancel()

    def remove(self, stream: str, expected: int | Expected, *, hard: bool) -> None:
        """Delete a stream, `hard` for good."""
        state = _STATES[expected] if isinstance(expected, Expected) else expected
        act = self.tombstone_stream if hard else self.delete_stream
        try:
            act(stream, current_version=state, timeout=self.seconds)
        except (exceptions.NotFound, exceptions.WrongCurrentVersion) as error:
            said = _ACTUAL.search(str(error))
            raise refusal(Append(stream, expected, ()), int(said[1]) if said else -1) from None

    def _construct_grpc_channel(self, grpc_target: str, grpc_options: Any = ()) -> grpc.Channel:
        """As the client does, but so that a lost connection is soon made again.

        A channel shares no connection, and no pause after a failed one, with those before it;
        the interval of keep-alives is passed under gRPC's own name.
        """
        interval = self.connection_spec.options.KeepAliveInterval
        options = () if interval is None else (("grpc.keepalive_time_ms", interval),)
        self.channel = super()._construct_grpc_channel(
            grpc_target, (*grpc_options, *_ANEW, *options)
        )
        return self.channel


def told(error: Exception, stream: str = "") -> StoreError | None:
    """What ended a call that asked for `stream`; None if it may be tried again."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, ValueError):
        return None if "closed" in str(error) else cannot_hold(error)
    if "is deleted" in str(error):
        return _deleted(stream, error)
    for kind, told_as in _TOLD:
        if isinstance(error, kind):
            return told_as(stream, error)
    code = _code(error)
    return None if code is None or code in _PASSING else _of_code(code, error)


def _of_code(code: grpc.StatusCode, error: Exception) -> StoreError:
    if code in _DENIED:
        return _denied("", error)
    if "invalid position" in str(error):
        return PositionInvalid(str(error))
    return StoreUnreachable(f"the server does not serve the store: {reason(error)}")


def _missing(stream: str, _error: Exception | None = None) -> StoreError:
    return StreamNotFound(f"no stream {stream!r}: check the name")


def _deleted(stream: str, _error: Exception) -> StoreError:
    return StreamDeleted(f"stream {stream!r} is deleted for good")


def _denied(_stream: str, error: Exception) -> StoreError:
    return StoreForbidden(
        f"the server denies access ({reason(error)}): see user and password; the user must be in"
        " $admins"
    )


def _untrusted(_stream: str, error: Exception) -> StoreError:
    why = reason(error)
    if "WRONG_VERSION_NUMBER" in why:
        return StoreUnreachable("the server answers without TLS: write tls=false in the address")
    if "empty address list" in why:
        why = "the file of certificates cannot be used"
    return StoreUnreachable(f"no TLS with the server ({why}): see tlsCaFile in the address")


_TOLD: tuple[tuple[type[Exception], Callable[[str, Exception], StoreError]], ...] = (
    (exceptions.NotFound, _missing),
    (exceptions.StreamIsDeleted, _deleted),
    (exceptions.AccessDeniedError, _denied),
    (exceptions.SSLError, _untrusted),
)

_NO_SUCH_NODE = exceptions.FollowerNotFound, exceptions.ReadOnlyReplicaNotFound

RAISED = (exceptions.EventStoreDBClientException, ValueError)
"""What calls raise, beside errors of the store; `ValueError` is that of a closed channel."""


def cannot_hold(error: ValueError) -> StoreError:
    """Of text that is not Unicode, say."""
    return StoreError(f"the server cannot hold or find this ({error}): correct the call")


def is_deadline(error: Exception) -> bool:
    """Whether a call ended because its time was over."""
    return isinstance(error, exceptions.DeadlineExceeded)


def reason(error: Exception) -> str:
    """Why a call ended, in the server's words or in gRPC's."""
    if isinstance(error, _NO_SUCH_NODE):
        return "the cluster has no node such as nodePreference in the address asks for"
    call = error.args[0] if error.args else None
    return str(call.details()) if isinstance(call, grpc.Call) else str(error)


def _code(error: Exception) -> grpc.StatusCode | None:
    """The status of a call that the client has no error of its own for."""
    call = error.args[0] if type(error) is exceptions.GrpcError and error.args else None
    return call.code() if isinstance(call, grpc.Call) else None


def _leader(error: Exception) -> str | None:
    return error.leader_grpc_target if isinstance(error, exceptions.NodeIsNotLeader) else None
