"""A server that answers KurrentDB's Python client at once, always the same: a ceiling."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from runtime.store.protocol import shared_pb2, streams_pb2, streams_pb2_grpc
from tests.benchmarks.store import DATA, METADATA

EVENTS = 20_000


def _answer(number: int) -> streams_pb2.ReadResp:
    event = streams_pb2.ReadResp.ReadEvent.RecordedEvent(
        id=shared_pb2.UUID(string="00000000-0000-0000-0000-000000000001"),
        stream_identifier=shared_pb2.StreamIdentifier(stream_name=b"bench-0"),
        stream_revision=number,
        prepare_position=number,
        commit_position=number,
        metadata={
            "type": "AgentDecisionMade",
            "content-type": "application/json",
            "created": "17000000000000000",
        },
        custom_metadata=METADATA,
        data=DATA,
    )
    return streams_pb2.ReadResp(
        event=streams_pb2.ReadResp.ReadEvent(event=event, commit_position=number)
    )


class Canned(streams_pb2_grpc.StreamsServicer):
    """Answers without looking at what it is asked."""

    def __init__(self) -> None:
        self._answers = [_answer(number) for number in range(EVENTS)]

    async def Read(self, request: Any, context: Any) -> AsyncIterator[streams_pb2.ReadResp]:  # noqa: N802
        follow = request.options.WhichOneof("count_option") == "subscription"
        if follow:
            yield streams_pb2.ReadResp(
                confirmation=streams_pb2.ReadResp.SubscriptionConfirmation(subscription_id="x")
            )
        for answer in self._answers:
            yield answer
        if follow:
            yield streams_pb2.ReadResp(caught_up=streams_pb2.ReadResp.CaughtUp())

    async def Append(self, requests: Any, context: Any) -> streams_pb2.AppendResp:  # noqa: N802
        async for _ in requests:
            pass
        success = streams_pb2.AppendResp.Success(current_revision=1)
        success.position.commit_position = success.position.prepare_position = 1
        return streams_pb2.AppendResp(success=success)

    async def BatchAppend(  # noqa: N802
        self, requests: Any, context: Any
    ) -> AsyncIterator[streams_pb2.BatchAppendResp]:
        async for request in requests:
            answer = streams_pb2.BatchAppendResp(correlation_id=request.correlation_id)
            answer.success.current_revision = 1
            answer.success.position.commit_position = 1
            answer.success.position.prepare_position = 1
            yield answer


async def main() -> None:
    """Serve until ended."""
    server = grpc.aio.server()
    streams_pb2_grpc.add_StreamsServicer_to_server(Canned(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("localhost:0")
    await server.start()
    print(f"esdb://localhost:{port}?", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
