"""All projections of a store: made, changed, run and asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import RLock

from msgspec.structs import replace

from runtime.errors import (
    ProjectionActive,
    ProjectionError,
    ProjectionExists,
    ProjectionInvalid,
    ProjectionMissing,
    StreamDeleted,
)
from runtime.store.projections.book import Book, HeldBook, StoredBook
from runtime.store.projections.definition import Definition, standard_definitions
from runtime.store.projections.engine import Engine, Limits, Pair
from runtime.store.projections.names import Names
from runtime.store.projections.projector import Custom, Projector, Standard
from runtime.store.projections.registry import Registry
from runtime.store.projections.runner import Progress, Runner, Status
from runtime.store.projections.standard import rule_of
from runtime.store.sqlite import SqliteStore


@dataclass(frozen=True, slots=True)
class Report:
    """A projection as it stands; `end` is the position of the last event of the log."""

    definition: Definition
    progress: Progress
    end: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """What goes with a projection that is deleted."""

    checkpoints: bool = False
    results: bool = False
    emitted: bool = False


@dataclass(slots=True)
class _Entry:
    definition: Definition
    book: Book
    idle: Progress = field(default_factory=lambda: Progress(Status.STOPPED))
    runner: Runner | None = None

    @property
    def progress(self) -> Progress:
        runner = self.runner  # another thread may halt it in between
        return self.idle if runner is None else runner.progress


class Projections:
    """The projections of a store, to be used from any thread.

    Calls that change something wait for each other. They raise `ProjectionError` leaves,
    beside what the store raises.
    """

    def __init__(self, store: SqliteStore, limits: Limits | None = None) -> None:
        self._store = store
        self._limits = limits or Limits()
        self._registry = Registry(store)
        self._entries: dict[str, _Entry] = {}
        self._lock = RLock()

    def open(self, *, start_standard: bool = False) -> None:
        """Run those that are enabled; `start_standard` enables the store's own, for good."""
        with self._lock:
            for name in self._registry.names():
                self._entries[name] = self._entry(name)
            if start_standard:
                for name in standard_definitions():
                    self.enable(name)

    def close(self) -> None:
        """Stop all of them; they stay enabled."""
        with self._lock:
            for entry in self._entries.values():
                if entry.runner is not None:
                    entry.runner.interrupt()
            for entry in self._entries.values():
                _halt(entry)

    def restart(self) -> None:
        """Stop all of them, and run those that are enabled; transient ones are forgotten."""
        with self._lock:
            self.close()
            self._entries.clear()
            self.open()

    def create(self, definition: Definition) -> None:
        """Make a projection and run it, if it is enabled; its number is set here."""
        self._expect_none(definition.name)
        self._check(definition)
        with self._lock:
            self._expect_none(definition.name)
            self._expect_room()
            made = replace(definition, number=self._registry.next_number())
            if made.durable:
                self._registry.create(made)
            book: Book = StoredBook(self._store, made) if made.durable else HeldBook()
            entry = self._entries[made.name] = _Entry(made, book)
            self._start(entry)

    def update(self, name: str, query: str, emit: bool | None) -> None:  # noqa: FBT001
        """Give a projection another query; it goes on where it is. `emit` None: as it was."""
        definition = self._found(name).definition
        enabled = definition.emit_enabled if emit is None or definition.standard else emit
        self._check(replace(definition, query=query, emit_enabled=enabled))
        with self._lock:
            self._change(name, query=query, emit_enabled=enabled)

    def enable(self, name: str) -> None:
        """Run a projection, now and whenever the store is served; no effect on one that runs."""
        with self._lock:
            entry = self._found(name)
            running = entry.progress.status is Status.RUNNING
            if not (entry.definition.enabled and running):
                self._change(name, enabled=True)

    def disable(self, name: str, *, checkpoint: bool = True) -> None:
        """Stop a projection; `checkpoint`: keep how far it has come, even if nothing came of it."""
        with self._lock:
            entry = self._found(name)
            _halt(entry, checkpoint=checkpoint)
            stopped = Status.STOPPED if checkpoint else Status.ABORTED
            entry.idle = Progress(stopped, entry.idle.position, entry.idle.checkpoint)
            if entry.definition.enabled:
                self._change(name, enabled=False)

    def reset(self, name: str) -> None:
        """Have a projection begin anew, at the start of the log and without a state.

        What it emitted before is truncated as it emits to the same streams again.
        """
        with self._lock:
            entry = self._found(name)
            if isinstance(entry.book, HeldBook):
                _halt(entry)
                entry.book = HeldBook()
            self._change(name, epoch=entry.definition.version + 1)

    def delete(self, name: str, dropped: Dropped) -> None:
        """Forget a projection; raises `ProjectionActive` if it runs, or is the store's own."""
        with self._lock:
            entry = self._found(name)
            definition = entry.definition
            if definition.standard:
                raise ProjectionActive(f"projection {name!r} is the store's own: disable it")
            if entry.progress.status is Status.RUNNING and definition.durable:
                raise ProjectionActive(f"projection {name!r} is running: disable it first")
            _halt(entry)
            if definition.durable:
                self._drop(definition, dropped)
                self._registry.delete(definition)
            del self._entries[name]

    def report(self, name: str) -> Report:
        """How a projection stands."""
        entry = self._found(name)
        return Report(entry.definition, entry.progress, self._store.end())

    def reports(self) -> list[Report]:
        """How all of them stand."""
        end = self._store.end()
        with self._lock:
            entries = list(self._entries.values())
        return [Report(entry.definition, entry.progress, end) for entry in entries]

    def state(self, name: str, partition: str = "") -> str | None:
        """The state of a partition (JSON text), if it has any."""
        pair = self._pair(name, partition)
        return None if pair is None else pair[0]

    def result(self, name: str, partition: str = "") -> str | None:
        """What the state of a partition is transformed to (JSON text); itself, if it is not."""
        pair = self._pair(name, partition)
        if pair is None:
            return None
        state, result = pair
        return state if result is None else result

    def _pair(self, name: str, partition: str) -> Pair | None:
        kept = self._found(name).book.find(partition)
        return None if kept is None else kept.pair

    def _found(self, name: str) -> _Entry:
        entry = self._entries.get(name)
        if entry is None:
            raise ProjectionMissing(f"Projection '{name}' not found")
        return entry

    def _expect_none(self, name: str) -> None:
        if name in self._entries:
            raise ProjectionExists(
                f"there is a projection {name!r}: update it, or choose another name"
            )

    def _expect_room(self) -> None:
        most = self._limits.projections
        if len(self._entries) >= most + len(standard_definitions()):
            raise ProjectionInvalid(f"there are {most} projections already: delete one first")

    def _entry(self, name: str) -> _Entry:
        """A projection as it is stored, running if it is enabled."""
        definition = self._registry.placeholder(name)
        try:
            definition = self._registry.definition(name)
            book = StoredBook(self._store, definition)
            kept = book.find("")
        except (ProjectionError, StreamDeleted) as error:
            fault = Progress(Status.FAULTED, reason=str(error))
            return _Entry(definition, StoredBook(self._store, definition), fault)
        at = -1 if kept is None else kept.position
        entry = _Entry(definition, book, Progress(Status.STOPPED, at, at))
        self._start(entry)
        return entry

    def _change(self, name: str, **changes: str | int | bool) -> None:
        """Store a changed definition, and run it anew if it is enabled."""
        entry = self._found(name)
        definition = replace(entry.definition, version=entry.definition.version + 1, **changes)
        if definition.enabled:
            _halt(entry)
        if definition.durable:
            self._registry.update(definition)
            entry.book = StoredBook(self._store, definition)
        if definition.epoch != entry.definition.epoch:
            entry.idle = Progress(Status.STOPPED)
        entry.definition = definition
        self._start(entry)

    def _start(self, entry: _Entry) -> None:
        if not entry.definition.enabled:
            return
        entry.runner = Runner(
            self._store, entry.definition, entry.book, self._limits, self._beginning(entry)
        )
        entry.runner.start()

    def _beginning(self, entry: _Entry) -> Callable[[], Projector]:
        definition, book = entry.definition, entry.book
        if definition.standard:
            return lambda: Standard(definition)
        return lambda: Custom(self._store, definition, book, self._limits)

    def _check(self, definition: Definition) -> None:
        """Raise `ProjectionInvalid` unless the query can be run."""
        if definition.standard:
            rule_of(definition)
            return
        if len(definition.query.encode()) > self._limits.query:
            raise ProjectionInvalid(f"the query has more than {self._limits.query} bytes")
        Engine(definition.query, self._limits, emit=definition.emit_enabled).close()

    def _drop(self, definition: Definition, dropped: Dropped) -> None:
        if dropped.emitted and definition.track_emitted_streams:
            self._registry.drop_emitted(definition)
        if dropped.results:
            self._registry.drop_results(definition, self._result_names(definition))
        if dropped.checkpoints:
            self._registry.drop_states(definition)
            self._registry.drop_partitions(definition)

    def _result_names(self, definition: Definition) -> Names:
        """The names of its streams of results; those of the default, if its query is broken."""
        try:
            engine = Engine(definition.query, self._limits, emit=definition.emit_enabled)
        except ProjectionInvalid:
            return Names(definition.name)
        engine.close()
        described = engine.description
        return Names(definition.name, described.result_stream, described.result_pattern)


def _halt(entry: _Entry, *, checkpoint: bool = True) -> None:
    """Stop a projection that may be running."""
    if entry.runner is not None:
        entry.runner.stop(checkpoint=checkpoint)
        entry.idle = entry.runner.progress
        entry.runner = None
