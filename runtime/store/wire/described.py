"""Messages that the client does not ship, described here in pools of their own.

The field numbers are those of KurrentDB's public protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

USERS = "event_store.client.users"
FEATURES = "event_store.client.server_features"

REQUESTS = {
    "CreateReq": ("login_name", "password", "full_name", "groups"),
    "UpdateReq": ("login_name", "password", "full_name", "groups"),
    "DeleteReq": ("login_name",),
    "EnableReq": ("login_name",),
    "DisableReq": ("login_name",),
    "DetailsReq": ("login_name",),
    "ChangePasswordReq": ("login_name", "current_password", "new_password"),
    "ResetPasswordReq": ("login_name", "new_password"),
}
"""The texts that the options of each request hold, by their numbers from 1; groups are many."""

_Field = FieldDescriptorProto
_Messages = Callable[[str], Any]


def user_messages() -> _Messages:
    """Answers the class of a message of `Users` by its name: the requests, and `DetailsResp`."""
    return _classes(USERS, *(_request(*one) for one in REQUESTS.items()), _details())


def feature_messages() -> _Messages:
    """Answers the class of a message of `ServerFeatures` by its name: `SupportedMethods`."""
    method = DescriptorProto(
        name="SupportedMethod",
        field=[_text("method_name", 1), _text("service_name", 2), _text("features", 3, many=True)],
    )
    methods = DescriptorProto(
        name="SupportedMethods",
        field=[
            _message("methods", 1, f"{FEATURES}.SupportedMethod", many=True),
            _text("event_store_server_version", 2),
        ],
    )
    return _classes(FEATURES, method, methods)


def _classes(package: str, *messages: DescriptorProto) -> _Messages:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(
        FileDescriptorProto(
            name=f"{package}.proto", package=package, syntax="proto3", message_type=messages
        )
    )

    def message(name: str) -> Any:
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))

    return message


def _request(name: str, texts: tuple[str, ...]) -> DescriptorProto:
    fields = [
        _text(text, number, many=text == "groups") for number, text in enumerate(texts, start=1)
    ]
    options = DescriptorProto(name="Options", field=fields)
    field = _message("options", 1, f"{USERS}.{name}.Options")
    return DescriptorProto(name=name, field=[field], nested_type=[options])


def _details() -> DescriptorProto:
    inner = f"{USERS}.DetailsResp.UserDetails"
    ticks = _field("ticks_since_epoch", 1, _Field.TYPE_INT64)
    details = DescriptorProto(
        name="UserDetails",
        field=[
            _text("login_name", 1),
            _text("full_name", 2),
            _text("groups", 3, many=True),
            _message("last_updated", 4, f"{inner}.DateTime"),
            _field("disabled", 5, _Field.TYPE_BOOL),
        ],
        nested_type=[DescriptorProto(name="DateTime", field=[ticks])],
    )
    field = _message("user_details", 1, inner)
    return DescriptorProto(name="DetailsResp", field=[field], nested_type=[details])


def _text(name: str, number: int, *, many: bool = False) -> FieldDescriptorProto:
    return _field(name, number, _Field.TYPE_STRING, many=many)


def _message(name: str, number: int, of: str, *, many: bool = False) -> FieldDescriptorProto:
    field = _field(name, number, _Field.TYPE_MESSAGE, many=many)
    field.type_name = f".{of}"
    return field


def _field(
    name: str, number: int, kind: FieldDescriptorProto.Type.ValueType, *, many: bool = False
) -> FieldDescriptorProto:
    label = _Field.LABEL_REPEATED if many else _Field.LABEL_OPTIONAL
    return _Field(name=name, number=number, type=kind, label=label)
