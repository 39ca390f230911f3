"""The definitions of projections, as events of the store."""

from __future__ import annotations

from contextlib import suppress

from runtime.errors import ProjectionInvalid, StreamDeleted, StreamNotFound, WrongExpectedVersion
from runtime.events import NewEvent, named_id
from runtime.store.port import Append, Expected, Write
from runtime.store.projections.definition import (
    FIRST_NUMBER,
    Definition,
    decode_definition,
    encode_definition,
    standard_definitions,
)
from runtime.store.projections.names import CREATED, DELETED, REGISTRY, UPDATED, Names
from runtime.store.projections.targets import last_of, texts_of, tracked_by
from runtime.store.sqlite import SqliteStore


class Registry:
    """Reads and writes definitions. Used by one thread at a time."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def names(self) -> list[str]:
        """The names of all projections: the store's own first, then in the order of creation."""
        names = dict.fromkeys(standard_definitions())
        with suppress(StreamNotFound, StreamDeleted):
            for event in self._store.read_stream(REGISTRY):
                name = event.data.decode(errors="replace")
                if event.type == CREATED:
                    names[name] = None
                elif event.type == DELETED:
                    names.pop(name, None)
        return list(names)

    def definition(self, name: str) -> Definition:
        """The definition of that name; raises `ProjectionInvalid` if it cannot be read."""
        stored = last_of(self._store, Names(name).definition)
        if stored is not None:
            return decode_definition(stored.data, name)
        standard = standard_definitions().get(name)
        if standard is None:
            raise ProjectionInvalid(f"projection {name!r} has no definition: delete it")
        return standard

    def placeholder(self, name: str) -> Definition:
        """What stands for a definition that cannot be read; an update of it takes its place."""
        with suppress(StreamDeleted):
            return Definition(name, 0, "", version=self._store.revision(Names(name).definition))
        return Definition(name, 0, "")

    def next_number(self) -> int:
        """The number of the next projection to be created."""
        return FIRST_NUMBER + self._store.revision(REGISTRY) + 1

    def create(self, definition: Definition) -> None:
        """Store a definition of a new name; durable when it returns."""
        revision = definition.number - FIRST_NUMBER - 1
        expected = Expected.NO_STREAM if revision < 0 else revision
        created = Append(REGISTRY, expected, [_note(CREATED, definition)])
        self._store.write(Write([created, _stored(definition)]))

    def update(self, definition: Definition) -> None:
        """Store another version of a definition; durable when it returns."""
        self._store.write(Write([_stored(definition)]))

    def delete(self, definition: Definition) -> None:
        """Forget a projection; its definition is hidden."""
        self._store.write(Write([Append(REGISTRY, Expected.ANY, [_note(DELETED, definition)])]))
        self._hide(Names(definition.name).definition)

    def drop_emitted(self, definition: Definition) -> None:
        """Hide all streams that it is known to have emitted to."""
        for stream in tracked_by(self._store, definition.name):
            self._hide(stream)
        self._hide(Names(definition.name).tracked)

    def drop_states(self, definition: Definition) -> None:
        """Hide all its states and its checkpoint."""
        names = Names(definition.name)
        for partition in ("", *texts_of(self._store, names.partitions)):
            self._hide(names.checkpoint_of(partition))

    def drop_results(self, definition: Definition, names: Names) -> None:
        """Hide all its results; `names` are as its query sets them."""
        for partition in ("", *texts_of(self._store, Names(definition.name).partitions)):
            self._hide(names.result_of(partition))

    def drop_partitions(self, definition: Definition) -> None:
        """Hide the list of its partitions."""
        self._hide(Names(definition.name).partitions)

    def _hide(self, stream: str) -> None:
        with suppress(WrongExpectedVersion, StreamDeleted):
            self._store.delete(stream)


def _stored(definition: Definition) -> Append:
    identity = named_id(f"definition/{definition.number}/{definition.version}/{definition.name}")
    event = NewEvent(identity, UPDATED, encode_definition(definition), b"")
    return Append(Names(definition.name).definition, Expected.ANY, [event])


def _note(kind: str, definition: Definition) -> NewEvent:
    identity = named_id(f"{kind}/{definition.number}/{definition.name}")
    return NewEvent(identity, kind, definition.name.encode(), b"", json=False)
