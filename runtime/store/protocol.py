"""KurrentDB's protocol: the only module that knows which package ships its messages.

They can be loaded into a process but once, whatever package brings them, so that the server
and the adapter share those of the client. `users` and `features` of the server describe
messages that it does not ship (`runtime.store.wire.described`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from esdbclient.protos.Grpc import (
    code_pb2,
    gossip_pb2,
    gossip_pb2_grpc,
    persistent_pb2,
    persistent_pb2_grpc,
    projections_pb2,
    projections_pb2_grpc,
    shared_pb2,
    status_pb2,
    streams_pb2,
    streams_pb2_grpc,
)

__all__ = [
    "BINARY",
    "JSON",
    "TICK",
    "add_gossip",
    "add_persistent",
    "add_projections",
    "code_pb2",
    "gossip_pb2",
    "gossip_pb2_grpc",
    "persistent_pb2",
    "persistent_pb2_grpc",
    "projections_pb2",
    "projections_pb2_grpc",
    "shared_pb2",
    "status_pb2",
    "streams_pb2",
    "streams_pb2_grpc",
    "streams_stub",
]

JSON, BINARY = "application/json", "application/octet-stream"
"""The content types of events that are declared JSON, and of all others."""

TICK = 100
"""Nanoseconds of the unit in which times are told."""

Add = Callable[[object, grpc.aio.Server], None]
"""Has a server offer the methods of a service."""

add_gossip: Add = gossip_pb2_grpc.add_GossipServicer_to_server
add_persistent: Add = persistent_pb2_grpc.add_PersistentSubscriptionsServicer_to_server
add_projections: Add = projections_pb2_grpc.add_ProjectionsServicer_to_server

streams_stub: Callable[[grpc.Channel], Any] = streams_pb2_grpc.StreamsStub
"""The methods of the service `Streams`, called over a channel."""
