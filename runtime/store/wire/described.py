"""Messages that esdbclient does not ship, described here in a pool of their own.

The field numbers are those of the public protocol of KurrentDB's user management.
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

PACKAGE = "event_store.client.users"

_Field = FieldDescriptorProto
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


def user_messages() -> Callable[[str], Any]:
    """Answers the class of a message by its name: the requests, and `DetailsResp`."""
    file = FileDescriptorProto(
        name="users.proto",
        package=PACKAGE,
        syntax="proto3",
        message_type=[*(_request(*one) for one in REQUESTS.items()), _details()],
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)

    def message(name: str) -> Any:
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))

    return message


def _request(name: str, texts: tuple[str, ...]) -> DescriptorProto:
    fields = [
        _text(text, number, many=text == "groups") for number, text in enumerate(texts, start=1)
    ]
    options = DescriptorProto(name="Options", field=fields)
    field = _message("options", 1, f"{name}.Options")
    return DescriptorProto(name=name, field=[field], nested_type=[options])


def _details() -> DescriptorProto:
    inner = "DetailsResp.UserDetails"
    ticks = _Field(
        name="ticks_since_epoch", number=1, type=_Field.TYPE_INT64, label=_Field.LABEL_OPTIONAL
    )
    disabled = _Field(name="disabled", number=5, type=_Field.TYPE_BOOL, label=_Field.LABEL_OPTIONAL)
    details = DescriptorProto(
        name="UserDetails",
        field=[
            _text("login_name", 1),
            _text("full_name", 2),
            _text("groups", 3, many=True),
            _message("last_updated", 4, f"{inner}.DateTime"),
            disabled,
        ],
        nested_type=[DescriptorProto(name="DateTime", field=[ticks])],
    )
    field = _message("user_details", 1, inner)
    return DescriptorProto(name="DetailsResp", field=[field], nested_type=[details])


def _text(name: str, number: int, *, many: bool = False) -> FieldDescriptorProto:
    label = _Field.LABEL_REPEATED if many else _Field.LABEL_OPTIONAL
    return _Field(name=name, number=number, type=_Field.TYPE_STRING, label=label)


def _message(name: str, number: int, kind: str) -> FieldDescriptorProto:
    return _Field(
        name=name,
        number=number,
        type=_Field.TYPE_MESSAGE,
        label=_Field.LABEL_OPTIONAL,
        type_name=f".{PACKAGE}.{kind}",
    )
