"""A batch of a stage, and the batches it still holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from runtime.engine.dictionaries import size_of
from runtime.engine.results import Release
from runtime.engine.routing import Groups


@dataclass(slots=True)
class Batch:
    """A batch from its arrival until a snapshot reflects it.

    `groups` are the key groups it touches, `missing` those whose results have not come;
    `cursor` is where the stage goes on behind it; `commit` is the number of the commit whose
    checkpoint covers it, `at` when it was asked for;
    `release` says whose held events these are; `events` and `bytes` are the credit it takes.
    """

    seq: int
    rows: pa.RecordBatch
    groups: Groups
    position: int
    cursor: str
    missing: set[int] = field(default_factory=set)
    commit: int = -1
    at: float = 0.0
    release: Release | None = None
    events: int = field(init=False)
    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.events, self.bytes = int(self.rows.num_rows), size_of(self.rows)

    def cut_release(self, position: int) -> None:
        """A release ended at `position`, where its aggregate is parked again.

        Another host is given what was decided on before that, and holds the rest, even if it
        could decide on it: the log says that it was not.
        """
        assert self.release is not None, "of a release"
        self.rows = self.rows.filter(pc.less(self.rows.column("position"), position))
        self.release = self.release._replace(then=position)


@dataclass(slots=True)
class Batches:
    """The batches of a stage that no snapshot reflects yet, in their order.

    They are what a host that takes key groups over is given again.
    """

    _held: deque[Batch] = field(default_factory=deque)
    _next: int = 0
    _landed: int = 0
    _durable: int = 0

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    @property
    def last(self) -> Batch | None:
        """The youngest batch."""
        return self._held[-1] if self._held else None

    @property
    def durable(self) -> bool:
        """Whether every batch is durable."""
        return self._durable == self._next

    @property
    def coming(self) -> int:
        """The number that the next batch gets."""
        return self._next

    def next_seq(self) -> int:
        """A number for the next batch."""
        seq, self._next = self._next, self._next + 1
        return seq

    def add(self, batch: Batch) -> None:
        """Hold a batch that has arrived."""
        self._held.append(batch)

    def find(self, seq: int) -> Batch | None:
        """The batch of that number, if it is held still."""
        at = seq - self._held[0].seq if self._held else -1
        return self._held[at] if 0 <= at < len(self._held) else None

    def land(self, commit: int) -> Batch | None:
        """Let `commit` cover all batches decided without a gap; returns the last of them."""
        last = None
        while (batch := self.find(self._landed)) is not None and not batch.missing:
            batch.commit = commit
            last = batch
            self._landed += 1
        return last

    def committed(self, commit: int) -> Iterator[Batch]:
        """The batches that commits up to `commit` have made durable, each once."""
        while self._durable < self._landed:
            batch = self.find(self._durable)
            assert batch is not None, "a batch was let go before it was durable"
            if batch.commit > commit:
                return
            self._durable += 1
            yield batch

    def landed_through(self, seq: int) -> bool:
        """Whether a commit covers every batch up to `seq`."""
        return self._landed > seq

    def release(self, seq: int) -> Iterator[Batch]:
        """Let go of the batches up to `seq`: a snapshot reflects them."""
        while self._held and self._held[0].seq <= seq:
            yield self._held.popleft()
