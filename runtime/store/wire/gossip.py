"""The service `event_store.client.gossip.Gossip`: a cluster of one, which leads."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

from grpc.aio import ServicerContext

from runtime.store.protocol import gossip_pb2, gossip_pb2_grpc, shared_pb2
from runtime.store.wire.answers import uuid_of

_TICKS = 10**7


class Gossip(gossip_pb2_grpc.GossipServicer):
    """Tells clients where the one member is reached."""

    def __init__(self, host: str, port: int) -> None:
        identity = uuid_of(uuid4().bytes, structured=True)
        place = gossip_pb2.EndPoint(address=host, port=port)
        self._member = gossip_pb2.MemberInfo(
            instance_id=identity,
            state=gossip_pb2.MemberInfo.VNodeState.Leader,
            is_alive=True,
            http_end_point=place,
        )

    async def Read(  # noqa: N802 (the name of the service's method)
        self, _request: shared_pb2.Empty, _context: ServicerContext[Any, Any]
    ) -> gossip_pb2.ClusterInfo:
        """The members of the cluster."""
        self._member.time_stamp = int(time.time() * _TICKS)
        return gossip_pb2.ClusterInfo(members=[self._member])
