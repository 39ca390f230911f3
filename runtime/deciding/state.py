"""State as declared data: encoded without pickle, decoded into the declared type.

A state is a slotted dataclass whose fields are numbers, text, flags, bytes, lists, tuples,
dicts, NumPy arrays or dataclasses of these. Sets are refused: their order differs between
processes, and a strategy that iterates over one would decide differently on replay.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import numpy as np

from runtime.deciding.strategy import POISON
from runtime.errors import StateInvalid


class StateCodec:
    """Encodes states of one declared type as MessagePack and back.

    Raises `StateInvalid` at once if the type holds a set or is no dataclass.

    >>> from dataclasses import dataclass
    >>> @dataclass(slots=True)
    ... class Count:
    ...     n: int = 0
    >>> codec = StateCodec(Count)
    >>> codec.decode(codec.encode(Count(3)))
    Count(n=3)
    """

    def __init__(self, kind: type) -> None:
        if not is_dataclass(kind):
            raise StateInvalid(f"state {kind.__qualname__} is not a dataclass: declare it as one")
        _refuse_sets(kind, kind.__qualname__, set())
        self._name = kind.__qualname__
        self._fields = {field.name for field in fields(kind)}
        self._encoder = msgspec.msgpack.Encoder(enc_hook=_encode_array)
        self._decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(
            kind, dec_hook=_decode_array
        )

    def encode(self, state: object) -> bytes:
        """The bytes of a state; `StateInvalid` names what cannot be declared data.

        Also if the state would not come back as it is: an int where a float is declared
        would return as a float, and what is decided from it could differ after a restart.
        """
        data = self._encoded(state)
        try:
            back = self._decoder.decode(data)
        except POISON as error:
            raise StateInvalid(
                f"state {self._name} would not come back from a snapshot: {error}"
            ) from None
        if self._encoded(back) != data:
            raise StateInvalid(
                f"state {self._name} would not come back from a snapshot as it is: a field holds"
                " another type than it declares, perhaps an int where a float is declared"
            )
        return data

    def _encoded(self, state: object) -> bytes:
        try:
            return self._encoder.encode(state)
        except POISON as error:
            raise StateInvalid(f"state {self._name} cannot be stored: {error}") from None

    def inherit(self, data: bytes) -> Any:
        """The state of `data`, perhaps of another version; also refused if that had more fields."""
        state = self._decoded(data, "what the version before left has to be read on")
        left = msgspec.msgpack.decode(data)
        dropped = left.keys() - self._fields if isinstance(left, dict) else ()
        if dropped:
            raise StateInvalid(
                f"state {self._name} has no field {min(dropped)!r}, which the version before left:"
                " keep it, or what it holds is lost"
            )
        return state

    def decode(self, data: bytes) -> Any:
        """The state of `data`; `StateInvalid` if it does not fit the declared type."""
        return self._decoded(data, "was the strategy changed without a new version?")

    def _decoded(self, data: bytes, why: str) -> Any:
        try:
            return self._decoder.decode(data)
        except POISON as error:
            told = error if isinstance(error, msgspec.MsgspecError) else repr(error)
            raise StateInvalid(
                f"a snapshot does not fit state {self._name}: {told}; {why}"
            ) from None


def _encode_array(value: object) -> object:
    if isinstance(value, np.ndarray) and value.dtype != object:
        if not value.flags.c_contiguous:
            raise TypeError(
                "an array must be C-contiguous, since sums depend on the layout:"
                " np.ascontiguousarray makes it so"
            )
        return (value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__qualname__} is not declared data")


def _decode_array(kind: type, value: Any) -> object:
    if getattr(kind, "__origin__", kind) is not np.ndarray:
        raise TypeError(f"{kind} is not declared data")
    dtype, shape, data = value
    return np.frombuffer(data, dtype).reshape(shape).copy()


def _refuse_sets(kind: Any, where: str, seen: set[type]) -> None:
    origin = get_origin(kind) or kind
    if isinstance(origin, type) and issubclass(origin, Set):
        raise StateInvalid(f"state {where} holds a set, whose order is not the same everywhere")
    if is_dataclass(kind) and isinstance(kind, type) and kind not in seen:
        seen.add(kind)
        for name, hint in _hints(kind).items():
            _refuse_sets(hint, f"{kind.__qualname__}.{name}", seen)
    for part in get_args(kind):
        _refuse_sets(part, where, seen)


def _hints(kind: type) -> dict[str, Any]:
    try:
        return get_type_hints(kind)
    except NameError as error:
        raise StateInvalid(
            f"state {kind.__qualname__} names a type that is not found ({error}): declare it at"
            " the top of its module"
        ) from None
