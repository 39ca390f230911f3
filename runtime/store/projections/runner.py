"""A projection that runs: follows the log on a thread, and writes what each batch leads to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from threading import Event, Thread
from time import monotonic
from typing import Any

from runtime.errors import ProjectionFaulted, StoreClosed, StoreError
from runtime.events import RecordedEvent
from runtime.store.port import Write
from runtime.store.projections.book import Book, Kept
from runtime.store.projections.definition import Definition
from runtime.store.projections.emission import gathered
from runtime.store.projections.engine import Limits, Pair
from runtime.store.projections.projector import Output, Projector
from runtime.store.projections.targets import Targets
from runtime.store.sqlite import SqliteStore

STRIDE = 10_000
"""Positions that are looked at in one go, and passed at the most without a checkpoint."""

_WAIT_SECONDS = 1.0


class Status(Enum):
    """How a projection stands, in KurrentDB's words."""

    RUNNING = "Running"
    STOPPED = "Stopped"
    ABORTED = "Aborted/Stopped"
    COMPLETED = "Completed"
    FAULTED = "Faulted"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a projection has come: the positions it has taken in, and last kept, and events.

    `seconds` is the time that handling took, `reason` why it is faulted.
    """

    status: Status
    position: int = -1
    checkpoint: int = -1
    handled: int = 0
    seconds: float = 0.0
    reason: str = ""


class Runner:
    """Runs a projection until it is stopped, is at its end, or fails.

    What a batch of the log leads to is written in one transaction with the position that it
    reaches, so that it is written once, whenever the process ends.
    """

    def __init__(
        self,
        store: SqliteStore,
        definition: Definition,
        book: Book,
        limits: Limits,
        begin: Callable[[], Projector],
    ) -> None:
        """`begin` makes the projector; it is called again after code that may be to blame."""
        self.progress = Progress(Status.RUNNING)
        self._store = store
        self._definition = definition
        self._book = book
        self._limits = limits
        self._begin = begin
        self._targets = Targets(store, definition)
        self._root: Pair | None = None
        self._size = limits.events
        self._projector: Projector | None = None
        self._stopping = Event()
        self._grown = Event()
        self._checkpointing = True
        self._thread = Thread(target=self._run, name=f"projection {definition.name}", daemon=True)

    def start(self) -> None:
        """Begin, after what is kept."""
        self._thread.start()

    def stop(self, *, checkpoint: bool = True) -> None:
        """End it, after the batch in hand if that is soon, else without it.

        `checkpoint`: keep how far it has come, even if nothing came of it.
        """
        self._checkpointing = checkpoint
        self.interrupt()
        self._thread.join(_WAIT_SECONDS)
        while self._thread.is_alive():
            if self._projector is not None:
                self._projector.close()
            self._thread.join(_WAIT_SECONDS)

    def interrupt(self) -> None:
        """Have it end after the batch in hand, and do not wait."""
        self._stopping.set()
        self._grown.set()

    def _run(self) -> None:
        deaf = self._store.listen(self._grown.set)
        try:
            self._restore()
            self._follow()
        except StoreClosed:
            self._tell(status=Status.STOPPED)
        except StoreError as error:
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001 (it must not end silently)
            self._fail(f"{type(error).__name__}: {error}")
        finally:
            deaf()
            if self._projector is not None:
                self._projector.close()

    def _restore(self) -> None:
        kept = self._book.find("")
        if kept is not None:
            self._root = kept.pair
            self._tell(position=kept.position, checkpoint=kept.position)
        self._projector = self._begin()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            self._grown.clear()
            end = self._store.end()
            while self.progress.position < end and not self._stopping.is_set():
                self._step(end)
            if not self._definition.durable and not self._stopping.is_set():
                self._tell(status=Status.COMPLETED)
                return
            self._grown.wait(_WAIT_SECONDS)
        if self._checkpointing and self.progress.position > self.progress.checkpoint:
            self._keep(Output(), self.progress.position)
        self._tell(status=Status.STOPPED if self._checkpointing else Status.ABORTED)

    def _step(self, end: int) -> None:
        """Take in the next batch, or learn that it must be smaller."""
        assert self._projector is not None
        first = self.progress.position + 1
        last = min(end, self.progress.position + STRIDE)
        events = self._store.read_window(first, last, limit=self._size, only=self._projector.window)
        reached = events[-1].position if len(events) == self._size else last
        began = monotonic()
        try:
            output = self._projector.project(events)
        except ProjectionFaulted as error:
            self._retreat(events, error)
            return
        seconds = self.progress.seconds + monotonic() - began
        if output.placed or output.states or reached - self.progress.checkpoint >= STRIDE:
            self._keep(output, reached)
        handled = self.progress.handled + output.handled
        self._tell(position=reached, handled=handled, seconds=seconds)
        self._size = min(2 * self._size, self._limits.events)

    def _retreat(self, events: Sequence[RecordedEvent], error: ProjectionFaulted) -> None:
        """Begin again before `events`, with fewer of them; raise if the first is to blame."""
        if self._stopping.is_set():
            return
        if error.index == 0 or len(events) == 1:
            at = events[0]
            raise ProjectionFaulted(
                f"{error}; at event {at.revision}@{at.stream}, position {at.position}"
            ) from None
        assert self._projector is not None
        self._projector.close()
        self._size = error.index or 1
        self._projector = self._begin()

    def _keep(self, output: Output, reached: int) -> None:
        """Write what a batch led to, with the states and the position."""
        root = output.states.get("", self._root)
        entries = self._book.entries(output.states, Kept(reached, root))
        if entries:
            placed = [
                *self._targets.tracked(output.emitted),
                *self._targets.opened(stream for stream, _ in output.placed),
                *output.placed,
                *entries,
            ]
            self._store.write(Write(gathered(placed)))
        self._root = root
        self._tell(position=reached, checkpoint=reached)

    def _fail(self, reason: str) -> None:
        stopped = Status.STOPPED if self._checkpointing else Status.ABORTED
        status = stopped if self._stopping.is_set() else Status.FAULTED
        self._tell(status=status, reason="" if self._stopping.is_set() else reason)

    def _tell(self, **changes: Any) -> None:
        self.progress = replace(self.progress, **changes)
