"""The streams in which the adapter keeps its books, and what is written to them. Pure.

`lucent-fence-<name>` holds the claims of a name and, before they are carried out, the
writes under it; `lucent-checkpoint-<name>` and `lucent-snapshot-<name>` each one event that
counts, the last; `lucent-state-<name>/<group>` the state of a key group, in pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

import msgspec

from runtime.errors import StoreDamaged
from runtime.events import NewEvent, RecordedEvent
from runtime.store.policy import BOOKS, METADATA_TYPE, metastream
from runtime.store.port import Append, Expected

CLAIMED, PIECE, BEGUN = "FenceClaimed", "WritePiece", "WriteBegun"

PIECE_BYTES = 768 * 1024
"""Bytes of one piece; servers take appends of 1 MiB unless told otherwise."""

KEPT = 1024
"""Events that a stream of claims and writes shows: bounds the size of one write."""


class Begun(msgspec.Struct, frozen=True):
    """The last event of a write: the claim it is made under, and how many pieces precede it."""

    epoch: int
    pieces: int


class _Exact(msgspec.Struct, frozen=True, array_like=True):
    stream: str
    revision: int
    events: list[NewEvent]


def fence_stream(name: str) -> str:
    """Where the claims of `name` stand, and the writes under it."""
    return f"{BOOKS}fence-{name}"


def checkpoint_stream(name: str) -> str:
    """Where the cursor of `name` stands."""
    return f"{BOOKS}checkpoint-{name}"


def snapshot_stream(name: str) -> str:
    """Where it stands of which pieces the snapshot `name` is made up."""
    return f"{BOOKS}snapshot-{name}"


def state_stream(name: str, group: int) -> str:
    """Where the state of a key group stands, piece by piece."""
    return f"{BOOKS}state-{name}/{group}"


def claim_event(stream: str, revision: int, epoch: int, claimant: bytes) -> NewEvent:
    """A claim at `revision` of `stream`; `claimant` is what no other claim is made with."""
    data = msgspec.json.encode(Begun(epoch, 0))
    return NewEvent(_id(stream, revision, claimant), CLAIMED, data, b"")


def write_events(
    stream: str, revision: int, epoch: int, appends: Sequence[Append]
) -> list[NewEvent]:
    """A write as events from `revision` of `stream` on, of `PIECE_BYTES` each, but the last.

    All of `appends` expect an exact revision.
    """
    exact = [_Exact(one.stream, _number(one.expected), list(one.events)) for one in appends]
    pieces = cut(msgspec.msgpack.encode(exact))
    digest = sha256(b"".join(pieces)).digest()
    last = msgspec.json.encode(Begun(epoch, len(pieces)))
    return [
        *(
            NewEvent(_id(stream, revision + number, digest), PIECE, piece, b"", json=False)
            for number, piece in enumerate(pieces)
        ),
        NewEvent(_id(stream, revision + len(pieces), digest), BEGUN, last, b""),
    ]


def read_begun(event: RecordedEvent) -> Begun:
    """What the event of a claim or the last one of a write says. Raises `StoreDamaged`."""
    try:
        return msgspec.json.decode(event.data, type=Begun)
    except msgspec.MsgspecError:
        raise _unreadable(event.stream, event.revision) from None


def read_write(pieces: Sequence[RecordedEvent]) -> list[Append]:
    """The appends of a write, of its pieces. Raises `StoreDamaged`."""
    joined = b"".join(piece.data for piece in pieces)
    try:
        exact = msgspec.msgpack.decode(joined, type=list[_Exact])
    except msgspec.MsgspecError:
        raise _unreadable(pieces[0].stream, pieces[0].revision) from None
    return [Append(one.stream, one.revision, one.events) for one in exact]


def last_counts(stream: str, revision: int, kind: str, data: bytes) -> list[Append]:
    """An event for a stream of which only the last one counts, now at `revision`."""
    event = NewEvent(_id(stream, revision + 1, data), kind, data, b"")
    return [*bounded(stream, revision, 1), Append(stream, revision, [event])]


def bounded(stream: str, revision: int, most: int) -> list[Append]:
    """The metadata of a stream at `revision`, if it is new: it shows its `most` last events."""
    if revision >= 0:
        return []
    return [_describe(stream, -1, {"$maxCount": most})]


def shortened(stream: str, described: int, first: int) -> Append:
    """Metadata by which `stream`, whose metadata are at revision `described`, begins at `first`."""
    return _describe(stream, described, {"$tb": first})


def cut(data: bytes) -> list[bytes]:
    """`data` in pieces of `PIECE_BYTES`, at least one.

    >>> [len(piece) for piece in cut(bytes(PIECE_BYTES + 1))]
    [786432, 1]
    """
    starts = range(0, max(1, len(data)), PIECE_BYTES)
    return [data[start : start + PIECE_BYTES] for start in starts]


def grouped(events: Iterable[NewEvent]) -> list[list[NewEvent]]:
    """The events in order, as many to an append as fit into `PIECE_BYTES`."""
    groups: list[list[NewEvent]] = []
    size = 0
    for event in events:
        size += len(event.data) + len(event.metadata)
        if not groups or size > PIECE_BYTES:
            groups.append([])
            size = len(event.data) + len(event.metadata)
        groups[-1].append(event)
    return groups


def _describe(stream: str, revision: int, metadata: dict[str, int]) -> Append:
    name, data = metastream(stream), msgspec.json.encode(metadata)
    event = NewEvent(_id(name, revision + 1, data), METADATA_TYPE, data, b"")
    return Append(name, revision, [event])


def _number(expected: int | Expected) -> int:
    assert isinstance(expected, int)
    return expected


def _id(stream: str, revision: int, salt: bytes) -> bytes:
    """An id that is the same whenever the same is written at the same place."""
    named = b"%s\0%d\0" % (stream.encode(), revision)
    return sha256(named + salt).digest()[:16]


def _unreadable(stream: str, revision: int) -> StoreDamaged:
    return StoreDamaged(
        f"event {revision} of {stream} cannot be read: another program wrote to it;"
        " streams that begin with 'lucent-' are not to be written by others"
    )
