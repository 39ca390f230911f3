"""The states of a projection: where they are kept, and how far in the log they reach."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple, Protocol

import msgspec

from runtime.errors import ProjectionFaulted, StreamNotFound
from runtime.events import NewEvent, RecordedEvent, named_id
from runtime.store.policy import METADATA_TYPE, metastream
from runtime.store.projections.definition import Definition, tag_of
from runtime.store.projections.emission import position_metadata
from runtime.store.projections.engine import Pair
from runtime.store.projections.names import CHECKPOINT, PARTITION_CHECKPOINT, TYPE_INDEX, Names
from runtime.store.sqlite import SqliteStore

MOST_HELD = 10_000
"""Partitions of a projection that does not outlive the server."""

_LAST_TWO = b'{"$maxCount":2}'
Placed = tuple[str, NewEvent]
"""An event, after the stream that it is for."""


class Kept(NamedTuple):
    """A state, if there is any, and the position up to which it takes the log in."""

    position: int
    pair: Pair | None


class Book(Protocol):
    """Keeps the state of each partition; that of the partition `""` is the root."""

    def find(self, partition: str) -> Kept | None:
        """What was kept last, if anything was since the projection last began anew."""

    def entries(self, states: dict[str, Pair], root: Kept) -> list[Placed]:
        """Keep `states`, and `root`; what is answered must be written with what they led to."""


class HeldBook:
    """Keeps states in memory, for a projection that does not outlive the server."""

    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}

    def find(self, partition: str) -> Kept | None:
        """What was kept last."""
        return self._kept.get(partition)

    def entries(self, states: dict[str, Pair], root: Kept) -> list[Placed]:
        """Keep `states` and `root`; raises `ProjectionFaulted` if they are too many."""
        for partition, pair in states.items():
            self._kept[partition] = Kept(root.position, pair)
        self._kept[""] = root
        if len(self._kept) > MOST_HELD:
            raise ProjectionFaulted(
                f"it has more than {MOST_HELD} partitions: make it a continuous projection"
            )
        return []


class StoredBook:
    """Keeps states as events of the store, as KurrentDB does."""

    def __init__(self, store: SqliteStore, definition: Definition) -> None:
        self._store = store
        self._definition = definition
        self._names = Names(definition.name)
        self._limited: set[str] = set()

    def find(self, partition: str) -> Kept | None:
        """What was kept last; `ProjectionFaulted` if its stream is another projection's."""
        stream = self._names.checkpoint_of(partition)
        with suppress(StreamNotFound):
            for event in self._store.read_stream(stream, backwards=True, limit=2):
                kept = self._kept(event, partition)
                if kept is not None:
                    return kept
        return None

    def entries(self, states: dict[str, Pair], root: Kept) -> list[Placed]:
        """The events that keep `states` and `root`."""
        kept = {partition: Kept(root.position, pair) for partition, pair in states.items()}
        placed: list[Placed] = []
        for partition, state in {**kept, "": root}.items():
            stream = self._names.checkpoint_of(partition)
            placed += [*self._limits(stream), (stream, self._entry(partition, state))]
        if self._definition.name == "$by_event_type":
            placed.append((TYPE_INDEX, self._reached(root.position)))
        return placed

    def _kept(self, event: RecordedEvent, partition: str) -> Kept | None:
        definition = self._definition
        try:
            note = msgspec.json.decode(event.metadata, type=_Note)
            pair = msgspec.json.decode(event.data, type=list[msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if (note.projection, note.partition) != (definition.name, partition):
            raise ProjectionFaulted(
                f"stream {event.stream!r} holds the state of projection {note.projection!r}:"
                " choose another name, or other partitions"
            )
        if tag_of(event.metadata) != (definition.number, definition.epoch):
            return None
        if len(pair) != 2:
            return Kept(note.position, None)
        state, result = (bytes(each).decode() for each in pair)
        return Kept(note.position, (state, None if result == "null" else result))

    def _entry(self, partition: str, kept: Kept) -> NewEvent:
        note = {
            **position_metadata(self._definition, kept.position),
            "projection": self._definition.name,
            "partition": partition,
        }
        kind = PARTITION_CHECKPOINT if partition else CHECKPOINT
        parts = () if kept.pair is None else (part or "null" for part in kept.pair)
        identity = self._identity(f"{kept.position}/{partition}")
        data = f"[{','.join(parts)}]".encode()
        return NewEvent(identity, kind, data, msgspec.json.encode(note))

    def _reached(self, position: int) -> NewEvent:
        data = msgspec.json.encode(position_metadata(self._definition, position))
        return NewEvent(self._identity(f"{position}/{TYPE_INDEX}"), PARTITION_CHECKPOINT, data, b"")

    def _limits(self, stream: str) -> list[Placed]:
        """The metadata of a stream of states, unless it was asked for before."""
        if stream in self._limited:
            return []
        if len(self._limited) > MOST_HELD:
            self._limited.clear()
        self._limited.add(stream)
        identity = self._identity(f"limits/{stream}")
        return [(metastream(stream), NewEvent(identity, METADATA_TYPE, _LAST_TWO, b""))]

    def _identity(self, what: str) -> bytes:
        definition = self._definition
        return named_id(f"checkpoint/{definition.number}/{definition.epoch}/{what}")


class _Note(msgspec.Struct):
    position: int = msgspec.field(name="$p")
    projection: str
    partition: str
