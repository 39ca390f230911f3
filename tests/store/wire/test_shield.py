"""What clients are told of errors that are not theirs: a status, and nothing of the host."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from runtime.store import SqliteStore
from runtime.store.protocol import streams_pb2_grpc
from runtime.store.wire import Serving
from runtime.store.wire.shield import Shield
from tests.store.wire.messages import batch, reading
from tests.support.served import served

SECRET = "/home/somebody/secret.db"


class Broken(grpc.GenericRpcHandler):
    """A service of two methods, each broken in its way."""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        if details.method == "/broken/Answer":
            return grpc.stream_unary_rpc_method_handler(self.answer)
        return grpc.unary_stream_rpc_method_handler(self.stream)

    async def answer(self, _requests: Any, _context: Any) -> bytes:
        raise OSError(f"{SECRET} is gone")

    async def stream(self, request: bytes, _context: Any) -> AsyncIterator[bytes]:
        yield request
        if request == b"later":
            raise NotImplementedError
        raise KeyError(SECRET)


def called(port: int, name: str, request: bytes) -> tuple[list[bytes], StatusCode, str]:
    """The answers of a method, and how the call ended."""
    answers: list[bytes] = []
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.stream_stream(f"/broken/{name}")(iter([request]))
        with pytest.raises(grpc.RpcError):
            answers.extend(call)
        return answers, call.code(), call.details()


async def told(name: str, request: bytes) -> tuple[list[bytes], StatusCode, str]:
    """What comes of a broken method."""
    server = grpc.aio.server(interceptors=(Shield(),))
    server.add_generic_rpc_handlers((Broken(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        return await asyncio.to_thread(called, port, name, request)
    finally:
        await server.stop(None)


@pytest.mark.parametrize(("name", "answers"), [("Answer", []), ("Stream", [b"now"])])
def test_an_error_of_the_servers_own(
    caplog: pytest.LogCaptureFixture, name: str, answers: list[bytes]
) -> None:
    found, code, details = asyncio.run(told(name, b"now"))
    assert (found, code) == (answers, StatusCode.INTERNAL)
    assert f"/broken/{name}" in details
    assert SECRET not in details
    (record,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert f"/broken/{name}" in record.message
    assert record.exc_info is not None
    assert SECRET in str(record.exc_info[1])


def test_what_is_not_offered(caplog: pytest.LogCaptureFixture) -> None:
    _, code, details = asyncio.run(told("Stream", b"later"))
    assert code == StatusCode.UNIMPLEMENTED
    assert "/broken/Stream is not offered" in details
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_a_store_that_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "served.db"
    with (
        SqliteStore.open(path) as store,
        served(store, Serving(port=0)) as port,
        grpc.insecure_channel(f"localhost:{port}") as channel,
    ):
        streams = streams_pb2_grpc.StreamsStub(channel)
        store.close()
        with pytest.raises(grpc.RpcError) as failed:
            list(streams.Read(reading(b"s-1")))
        (answer,) = streams.BatchAppend(iter([batch(b"s-1", [b""])]))
    assert failed.value.code() == StatusCode.UNAVAILABLE
    for message in (failed.value.details(), answer.error.message):
        assert "the store failed (StoreClosed)" in message
        assert str(path) not in message
    assert caplog.text.count(str(path)) == 2
