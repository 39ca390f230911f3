"""The service `event_store.client.server_features.ServerFeatures`: what this server offers.

Its messages are not among those that esdbclient ships; they are described here, in a pool
of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

VERSION = "24.10.0"
"""The version of KurrentDB whose answers are given."""

PACKAGE = "event_store.client.server_features"
_FEATURES = {
    ("streams", "read"): ["position", "events"],
    ("streams", "batchappend"): ["deadline_duration"],
    ("projections", "create"): ["track_emitted_streams"],
}
_OF_ALL_METHODS = {"persistentsubscriptions": ["stream", "all"]}


def features_handler(services: Mapping[str, Sequence[str]]) -> grpc.GenericRpcHandler:
    """Tells clients the methods of each of `services` (full names), in lower case."""
    answer = supported_methods(services)

    async def get_supported_methods(_request: bytes, _context: object) -> bytes:
        return answer

    method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(
        get_supported_methods
    )
    return grpc.method_handlers_generic_handler(
        f"{PACKAGE}.ServerFeatures", {"GetSupportedMethods": method}
    )


def supported_methods(services: Mapping[str, Sequence[str]]) -> bytes:
    """The encoded answer to `GetSupportedMethods`."""
    answer = _answer_type()(event_store_server_version=VERSION)
    for service, methods in services.items():
        short = service.lower().rpartition(".")[2]
        for method in methods:
            answer.methods.add(
                method_name=method.lower(),
                service_name=service.lower(),
                features=_FEATURES.get((short, method.lower()), _OF_ALL_METHODS.get(short, [])),
            )
    encoded: bytes = answer.SerializeToString()
    return encoded


def supported(encoded: bytes) -> Any:
    """The answer to `GetSupportedMethods`, decoded."""
    return _answer_type().FromString(encoded)


@cache
def _answer_type() -> Any:
    field = FieldDescriptorProto
    text, message = field.TYPE_STRING, field.TYPE_MESSAGE
    one, many = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    method = DescriptorProto(
        name="SupportedMethod",
        field=[
            field(name="method_name", number=1, type=text, label=one),
            field(name="service_name", number=2, type=text, label=one),
            field(name="features", number=3, type=text, label=many),
        ],
    )
    of_method = f".{PACKAGE}.SupportedMethod"
    methods = DescriptorProto(
        name="SupportedMethods",
        field=[
            field(name="methods", number=1, type=message, label=many, type_name=of_method),
            field(name="event_store_server_version", number=2, type=text, label=one),
        ],
    )
    file = FileDescriptorProto(
        name="features.proto", package=PACKAGE, syntax="proto3", message_type=[method, methods]
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    described = pool.FindMessageTypeByName(f"{PACKAGE}.SupportedMethods")
    return message_factory.GetMessageClass(described)
