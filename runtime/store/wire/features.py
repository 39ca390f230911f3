"""The service `event_store.client.server_features.ServerFeatures`: what this server offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import grpc

from runtime.store.wire.described import FEATURES, feature_messages

VERSION = "24.10.0"
"""The version of KurrentDB whose answers are given."""

SERVICE = f"{FEATURES}.ServerFeatures"
_METHOD = "GetSupportedMethods"
_FEATURES = {
    ("streams", "read"): ["position", "events"],
    ("streams", "batchappend"): ["deadline_duration"],
    ("projections", "create"): ["track_emitted_streams"],
}
_OF_ALL_METHODS = {"persistentsubscriptions": ["stream", "all"]}


def features_handler(services: Mapping[str, Sequence[str]]) -> grpc.GenericRpcHandler:
    """Tells clients the methods of each of `services` (full names), in lower case, and its own."""
    answer = supported_methods({**services, SERVICE: [_METHOD]})

    async def get_supported_methods(_request: bytes, _context: object) -> bytes:
        return answer

    method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(
        get_supported_methods
    )
    return grpc.method_handlers_generic_handler(SERVICE, {_METHOD: method})


def supported_methods(services: Mapping[str, Sequence[str]]) -> bytes:
    """The encoded answer to `GetSupportedMethods`."""
    answer = feature_messages()("SupportedMethods")(event_store_server_version=VERSION)
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
