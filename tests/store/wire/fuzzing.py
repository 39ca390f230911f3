"""Messages for a fuzz test: valid in form and mad in content, or not even valid in form."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any
from uuid import UUID

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from runtime.store.protocol import gossip_pb2, persistent_pb2, projections_pb2, streams_pb2

LONG = b"x" * 2_000
USUAL = tuple(b"fuzz-%d" % number for number in range(80))
STREAMS = (*USUAL, b"$$fuzz-1", b"$all", b"fuzz\r\n-1", b"", b"\xff", b"a\0b", LONG)
LINKS = (b"0@fuzz-1", b"1@fuzz-2", b"@", b"9" * 5_000 + b"@fuzz-1")
DATA = (*STREAMS, *LINKS, b'{"$maxCount":1}', b'{"$tb":-1}', b'{"$maxAge":[]}')
NUMBERS = (0, 1, 2, 5, 30, 1_000, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
JSON = "application/json"
TEXTS = (JSON, "Seen", "$>", "$metadata", "^(Seen|b)", "(", "(a|a)*$", "fuzz-1", "\0", "")
UUIDS = tuple(str(UUID(int=number)) for number in range(8))
FILES = (gossip_pb2, persistent_pb2, projections_pb2, streams_pb2)
MOST_DEEP = 6

_T = FieldDescriptor
_WHOLE = {_T.TYPE_INT32: 31, _T.TYPE_UINT32: 32, _T.TYPE_INT64: 63, _T.TYPE_UINT64: 64}


def methods() -> dict[str, MethodDescriptor]:
    """The methods whose messages the client ships, by their paths in lower case."""
    services = [each for file in FILES for each in file.DESCRIPTOR.services_by_name.values()]
    return {
        f"/{service.full_name}/{method.name}".lower(): method
        for service in services
        for method in service.methods
    }


def messages(random: Random, method: MethodDescriptor | None) -> list[bytes]:
    """What a client sends in a call: up to four messages, of which the last may be no message."""
    count = random.randrange(1, 5) if method is None or method.client_streaming else 1
    if method is None:
        return [random.randbytes(random.randrange(60)) for _ in range(count)]
    sent = [_made(random, method.input_type) for _ in range(count)]
    fate = random.random()
    if fate < 0.1:
        sent[-1] = random.randbytes(random.randrange(60))
    elif fate < 0.4:
        sent[-1] = mutated(random, sent[-1])
    return sent


def mutated(random: Random, encoded: bytes) -> bytes:
    """Bytes with some of them changed, removed or said twice."""
    changed = bytearray(encoded)
    for _ in range(random.randrange(1, 4)):
        start = random.randrange(len(changed) + 1)
        end = start + random.randrange(6)
        put = random.choice((b"", random.randbytes(end - start), bytes(changed[start:end]) * 2))
        changed[start:end] = put
    return bytes(changed)


def _made(random: Random, kind: Descriptor) -> bytes:
    message = message_factory.GetMessageClass(kind)()
    _fill(random, message, 0)
    encoded: bytes = message.SerializeToString()
    return encoded


def _fill(random: Random, message: Message, depth: int) -> None:
    """Set most of the fields, and of those that exclude each other one at random."""
    for field in _shuffled(random, message.DESCRIPTOR.fields):
        alone = field.containing_oneof is None
        taken = not alone and message.WhichOneof(field.containing_oneof.name) is not None
        if taken or depth > MOST_DEEP or random.random() > 0.95:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for key in ("type", "content-type", "else"):
                if random.random() < 0.97:
                    getattr(message, field.name)[key] = random.choice(TEXTS)
        elif field.label == _T.LABEL_REPEATED:
            _extend(random, getattr(message, field.name), field, depth)
        elif field.message_type is not None:
            getattr(message, field.name).SetInParent()
            _fill(random, getattr(message, field.name), depth + 1)
        else:
            setattr(message, field.name, _value(random, field))


def _shuffled(random: Random, fields: Iterable[FieldDescriptor]) -> list[FieldDescriptor]:
    every = list(fields)
    random.shuffle(every)
    return every


def _extend(random: Random, values: Any, field: FieldDescriptor, depth: int) -> None:
    for _ in range(random.randrange(4)):
        if field.message_type is not None:
            _fill(random, values.add(), depth + 1)
        else:
            values.append(_value(random, field))


def _value(random: Random, field: FieldDescriptor) -> object:
    if field.type in _WHOLE:
        most = 2 ** _WHOLE[field.type]
        sign = -1 if most in (2**31, 2**63) and random.random() < 0.2 else 1
        return sign * (random.choice(NUMBERS) % most)
    if field.type == _T.TYPE_STRING:
        return random.choice(UUIDS if field.name == "string" and random.random() < 0.97 else TEXTS)
    if field.type == _T.TYPE_BYTES:
        return random.choice(STREAMS if field.name == "stream_name" else DATA)
    if field.type == _T.TYPE_ENUM:
        return random.choice(field.enum_type.values).number
    return random.random() < 0.5 if field.type == _T.TYPE_BOOL else random.choice(NUMBERS)
