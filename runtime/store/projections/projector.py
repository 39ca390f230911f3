"""What a projection makes of a batch of the log: by a rule of the store's own, or by code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Protocol

from runtime.errors import ProjectionFaulted, StreamDeleted, StreamNotFound
from runtime.events import NewEvent, RecordedEvent, named_id
from runtime.store.port import Filter
from runtime.store.projections.book import Book, Placed
from runtime.store.projections.definition import Definition
from runtime.store.projections.emission import (
    Emitted,
    cause_of,
    json_object,
    link,
    new_event,
)
from runtime.store.projections.engine import Engine, Limits, Pair, Put, Ran, Result
from runtime.store.projections.names import PARTITION, RESULT, RESULT_REMOVED, Names
from runtime.store.projections.standard import passes, rule_of
from runtime.store.projections.view import Seen, seen
from runtime.store.sqlite import SqliteStore


@dataclass(slots=True)
class Output:
    """What a batch leads to: events (`emitted` names their streams), and states."""

    placed: list[Placed] = field(default_factory=list)
    emitted: list[str] = field(default_factory=list)
    states: dict[str, Pair] = field(default_factory=dict)
    handled: int = 0


class Projector(Protocol):
    """Makes the output of batches, one after the other."""

    window: Filter

    def project(self, events: Sequence[RecordedEvent]) -> Output:
        """What `events` lead to.

        Raises `ProjectionFaulted`, whose `index` counts `events`; then only `close` may follow.
        """

    def close(self) -> None:
        """Release what it holds; any thread may call it."""


class Standard:
    """A projection of the store's own."""

    def __init__(self, definition: Definition) -> None:
        """Raises `ProjectionInvalid` if its query is bad."""
        self.window = Filter()
        self._definition = definition
        self._rule = rule_of(definition)

    def project(self, events: Sequence[RecordedEvent]) -> Output:
        """The links for `events`."""
        output = Output()
        for event in filter(passes, events):
            output.handled += 1
            for ordinal, emitted in enumerate(self._rule(event)):
                placed = new_event(self._definition, emitted, cause_of(event), ordinal)
                output.placed.append((emitted.stream, placed))
                output.emitted.append(emitted.stream)
        return output

    def close(self) -> None:
        """Holds nothing."""


class Custom:
    """A projection by code of a user."""

    def __init__(
        self, store: SqliteStore, definition: Definition, book: Book, limits: Limits
    ) -> None:
        """Start its engine. Raises `ProjectionInvalid`."""
        self._store = store
        self._definition = definition
        self._book = book
        self._limits = limits
        self._engine = Engine(definition.query, limits, emit=definition.emit_enabled)
        self._description = self._engine.description
        self._names = Names(
            definition.name, self._description.result_stream, self._description.result_pattern
        )
        self.window = self._description.window()
        self._revisions: dict[str, int] = {}

    def project(self, events: Sequence[RecordedEvent]) -> Output:
        """What the handlers make of `events`."""
        output = Output()
        self._revisions = {}
        for indices, batch in self._batches(events):
            output.handled += len(batch)
            try:
                self._project(batch, output)
            except ProjectionFaulted as error:
                error.index = None if error.index is None else indices[error.index]
                raise
        return output

    def close(self) -> None:
        """End the engine."""
        self._engine.close()

    def _batches(self, events: Sequence[RecordedEvent]) -> Iterator[tuple[list[int], list[Seen]]]:
        """What handlers see of `events`, in portions that are not too large, with the indices."""
        indices: list[int] = []
        batch: list[Seen] = []
        size = 0
        for index, event in enumerate(events):
            found = seen(event, self._description, self._resolve)
            if found is None:
                continue
            size += len(found.view.body) + len(found.view.metadata)
            if batch and size > self._limits.size:
                yield indices, batch
                indices, batch, size = [], [], 0
            indices.append(index)
            batch.append(found)
        if batch:
            yield indices, batch

    def _project(self, batch: Sequence[Seen], output: Output) -> None:
        views = [found.view for found in batch]
        divided = self._engine.divide(views)
        states: dict[str, Pair] = {}
        fresh: list[str] = []
        for partition in divided.missing:
            kept = None if partition in output.states else self._book.find(partition)
            pair = output.states.get(partition) or (kept and kept.pair)
            if pair:
                states[partition] = pair
            else:
                fresh.append(partition)
        ran = self._engine.run(views, divided.partitions, states)
        output.states.update(ran.states)
        if self._definition.durable:
            self._place(batch, ran, output)
            self._catalogue(fresh, output)

    def _place(self, batch: Sequence[Seen], ran: Ran, output: Output) -> None:
        """Put what handlers emitted, and results, in the order of the events that caused them."""
        made = [(put.at, _emitted(put)) for put in ran.emitted]
        output.emitted += [put.stream for put in ran.emitted]
        made += [(result.at, each) for result in ran.results for each in self._results(result)]
        ordinals: Counter[int] = Counter()
        for at, each in sorted(made, key=itemgetter(0)):
            event = new_event(self._definition, each, batch[at].cause, ordinals[at])
            output.placed.append((each.stream, event))
            ordinals[at] += 1

    def _results(self, result: Result) -> Iterator[Emitted]:
        """The event of a result, and the link to it among the results of all partitions."""
        stream = self._names.result_of(result.partition)
        removed = result.result == "null"
        kind = RESULT_REMOVED if removed else RESULT
        yield Emitted(stream, kind, b"" if removed else result.result.encode(), json=not removed)
        revision = self._revision(stream)
        if result.partition:
            yield link(self._names.result_of(""), stream, revision)

    def _revision(self, stream: str) -> int:
        """The revision of the next event of a stream that nobody else writes to."""
        known = self._revisions.get(stream)
        if known is None:
            head = next(iter(self._store.heads(stream)), None)
            known = -1 if head is None or head.stream != stream else head.revision
        self._revisions[stream] = known + 1
        return known + 1

    def _catalogue(self, fresh: Sequence[str], output: Output) -> None:
        for partition in fresh:
            if partition and partition in output.states:
                identity = named_id(
                    f"partition/{self._definition.number}/{self._definition.epoch}/{partition}"
                )
                event = NewEvent(identity, PARTITION, partition.encode(), b"", json=False)
                output.placed.append((self._names.partitions, event))

    def _resolve(self, stream: str, revision: int) -> RecordedEvent | None:
        with suppress(StreamNotFound, StreamDeleted):
            found = self._store.read_stream(stream, revision, limit=1)
            return next((event for event in found if event.revision == revision), None)
        return None


def _emitted(put: Put) -> Emitted:
    extra = json_object(put.extra.encode())
    return Emitted(put.stream, put.type, put.data.encode(), put.json, extra)
