"""What a projection is: its query, how it runs, and which run of it this is. Pure.

Stored as JSON with KurrentDB's keys, as the last event of `$projections-<name>`.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from runtime.errors import ProjectionInvalid


class Mode(Enum):
    """How long a projection runs.

    A continuous one follows the log and outlives the server; a one-time and a transient
    one end at the end of the log, and are forgotten with the server.
    """

    ONE_TIME = "OneTime"
    TRANSIENT = "Transient"
    CONTINUOUS = "Continuous"


class Definition(msgspec.Struct, frozen=True, rename="camel"):
    """A projection as it is stored; `number` tells it from others that had its name.

    `version` counts its changes, `epoch` is the version at which it last began anew (-1: it
    never did). `track_emitted_streams` keeps a list of the streams that it emitted to.
    """

    name: str
    number: int
    query: str
    mode: Mode = Mode.CONTINUOUS
    enabled: bool = False
    emit_enabled: bool = False
    track_emitted_streams: bool = False
    version: int = 0
    epoch: int = -1

    @property
    def standard(self) -> bool:
        """Whether it is one of the store's own."""
        return self.name in STANDARD_QUERIES

    @property
    def durable(self) -> bool:
        """Whether its state outlives the server."""
        return self.mode is Mode.CONTINUOUS

    @property
    def tag(self) -> str:
        """The `$v` of what it writes: number, epoch, version and the form of these."""
        return f"{self.number}:{self.epoch}:{self.version}:4"


STANDARD_QUERIES = {
    "$streams": "",
    "$stream_by_category": "first\n-",
    "$by_category": "first\n-",
    "$by_event_type": "",
    "$by_correlation_id": '{"correlationIdProperty":"$correlationId"}',
}
"""The store's own projections, and the queries they begin with."""

FIRST_NUMBER = len(STANDARD_QUERIES) + 1
"""The number of the first projection that users make."""


def standard_definitions() -> dict[str, Definition]:
    """The store's own projections as they are in a store that never ran them."""
    return {
        name: Definition(name, number, query, emit_enabled=True)
        for number, (name, query) in enumerate(STANDARD_QUERIES.items(), 1)
    }


def encode_definition(definition: Definition) -> bytes:
    """The data of the event that stores `definition`."""
    return msgspec.json.encode(definition)


def decode_definition(data: bytes, name: str) -> Definition:
    """The definition of projection `name` in the data of an event.

    Raises `ProjectionInvalid`.

    >>> made = Definition("sums", 6, "fromAll()", enabled=True)
    >>> decode_definition(encode_definition(made), "sums") == made
    True
    """
    try:
        definition = msgspec.json.decode(data, type=Definition)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProjectionInvalid(
            f"the definition of projection {name!r} cannot be read ({error}): update it"
        ) from None
    return msgspec.structs.replace(definition, name=name)


def tag_of(metadata: bytes) -> tuple[int, int] | None:
    """The number and the epoch of the projection that wrote an event, by its metadata.

    >>> tag_of(b'{"$v":"7:-1:3:4","$c":1}'), tag_of(b"{}")
    ((7, -1), None)
    """
    try:
        tag = msgspec.json.decode(metadata, type=_Tagged).tag
        number, epoch, *_ = (int(part) for part in tag.split(":"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        return None
    return number, epoch


class _Tagged(msgspec.Struct):
    tag: str = msgspec.field(default="", name="$v")
