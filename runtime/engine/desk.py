"""An agent at work in a host: it decides window by window, and parks what it cannot decide on.

Pure.
"""

from __future__ import annotations

import traceback
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from runtime.deciding import POISON, Decision, StateCodec, Strategy, Text, Window
from runtime.engine.author import Byline, Chain, new_chain, write_draft
from runtime.engine.ipc import write_ipc
from runtime.engine.results import Held, Parked, Who
from runtime.engine.windows import Rows
from runtime.errors import DecisionInvalid, Retryable, StateInvalid
from runtime.events import GENESIS
from runtime.identity import Draft


@dataclass(slots=True)
class Cell:
    """What an agent keeps of one aggregate: the state, of which edition, and its chain."""

    state: Any
    chain: Chain
    edition: int = 0


@dataclass(slots=True)
class Output:
    """What a part comes to in one key group."""

    drafts: list[Draft] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Share:
    """The rows of one aggregate in a part: where they start, and as a window.

    `careful`: they are to be decided on event by event.
    """

    group: int
    batch: pa.RecordBatch
    rows: Rows
    start: int
    window: Window
    careful: bool = False


@dataclass(frozen=True, slots=True)
class Edition:
    """How an agent decides from position `since` on: its byline and its strategy.

    `on_window` is the strategy's own, or drives it event by event.
    """

    since: int
    line: Byline
    strategy: Strategy[Any]
    on_window: Callable[[Any, Window], Iterable[tuple[int, Decision]]]
    codec: StateCodec


@dataclass(slots=True)
class Desk:
    """An agent at work: its editions, oldest first, and by key group its cells.

    `protocols` maps feed names to the protocol they observe. Events of a `parked` aggregate
    from that position on are held back. Where an edition takes an aggregate over, it reads
    the state that the one before it left.
    """

    agent: str
    editions: tuple[Edition, ...]
    protocols: Mapping[str, str]
    cells: dict[int, dict[str, Cell]] = field(default_factory=dict)
    parked: dict[str, int] = field(default_factory=dict)

    def decide(self, share: Share, out: Output) -> None:
        """Decide on a window; of a careful share, what cannot be decided on is put aside.

        Of any other, whatever the strategy raises is raised: its state, and what it was about
        to decide, cannot be used then.
        """
        aggregate = share.window.aggregate
        if aggregate in self.parked:
            self._decide_until(self.parked[aggregate], share, out)
        elif share.careful:
            self._decide_carefully(share, len(share.window), out)
        else:
            for edition, start, stop in self._spans(share):
                cell = self._cell(share.group, aggregate, edition)
                self._write(cell, share, start, _cut(share.window, start, stop), out.drafts)

    def release(self, share: Share, then: int | None, out: Output) -> None:
        """Decide on events that were held back of an aggregate; from `then` on others still are."""
        aggregate = share.window.aggregate
        self.parked.pop(aggregate, None)
        self._decide_carefully(share, len(share.window), out, late=True)
        if then is not None:
            self.parked.setdefault(aggregate, then)

    def forget(self, groups: Collection[int], key_group: Callable[[str], int]) -> None:
        """Drop all that is known of key groups."""
        for group in groups:
            self.cells.pop(group, None)
        for aggregate in [one for one in self.parked if key_group(one) in groups]:
            del self.parked[aggregate]

    def _spans(self, share: Share) -> Iterator[tuple[int, int, int]]:
        """The edition of each span of a window, and where the span begins and ends."""
        stop = len(share.window)
        if len(self.editions) == 1:
            yield 0, 0, stop
            return
        places = share.rows.position[share.start : share.start + stop]
        starts = [int(np.searchsorted(places, one.since)) for one in self.editions] + [stop]
        for edition, (begin, end) in enumerate(pairwise(starts)):
            if begin < end:
                yield edition, begin, end

    def _edition_at(self, position: int) -> int:
        return bisect_right(self.editions, position, key=lambda one: one.since) - 1

    def _cell(self, group: int, aggregate: str, edition: int) -> Cell:
        cells = self.cells.setdefault(group, {})
        cell = cells.get(aggregate)
        now = self.editions[edition]
        if cell is None:
            begun = new_chain(self.agent, aggregate, GENESIS)
            cell = cells[aggregate] = Cell(now.strategy.start(aggregate), begun, edition)
        elif cell.edition != edition:
            cell.state, cell.edition = now.codec.inherit(self.kept(aggregate, cell)), edition
        return cell

    def _decide_until(self, position: int, share: Share, out: Output) -> None:
        """Decide on what comes before `position`, and hold the rest."""
        places = share.rows.position[share.start : share.start + len(share.window)]
        count = int(np.searchsorted(places, position))
        self._decide_carefully(share, count, out)
        if count < len(share.window):
            self._hold(share, count, out)

    def _decide_carefully(
        self, share: Share, count: int, out: Output, *, late: bool = False
    ) -> None:
        """Decide on the first `count` events, one by one; park at the one that raises.

        `late`: with the last edition, wherever they stand.
        """
        aggregate = share.window.aggregate
        for at in range(count):
            position = int(share.rows.position[share.start + at])
            edition = len(self.editions) - 1 if late else self._edition_at(position)
            cell = self.cells.get(share.group, {}).get(aggregate)
            before = None
            if cell is not None:
                state = self.kept(aggregate, cell)
                before = Cell(state, replace(cell.chain), cell.edition)
            drafts: list[Draft] = []
            try:
                cell = self._cell(share.group, aggregate, edition)
                self._write(cell, share, at, _cut(share.window, at, at + 1), drafts)
            except POISON as error:
                if before is None:
                    self.cells[share.group].pop(aggregate, None)
                else:
                    codec = self.editions[before.edition].codec
                    restored = Cell(codec.decode(before.state), before.chain, before.edition)
                    self.cells[share.group][aggregate] = restored
                self._park(share, at, error, b"" if before is None else before.state, out)
                return
            out.drafts.extend(drafts)

    def kept(self, aggregate: str, cell: Cell) -> bytes:
        """The state of an aggregate in bytes; raises `StateInvalid` if it cannot be kept."""
        try:
            return self.editions[cell.edition].codec.encode(cell.state)
        except StateInvalid as error:
            raise StateInvalid(f"agent {self.agent!r}, aggregate {aggregate!r}: {error}") from None

    def restore(self, group: int, aggregate: str, chain: Chain, edition: int, state: bytes) -> None:
        """Hold an aggregate as a snapshot has it; raises `StateInvalid` if that does not fit."""
        try:
            codec, earlier = self.editions[edition].codec, edition < len(self.editions) - 1
            held = codec.inherit(state) if earlier else codec.decode(state)
        except StateInvalid as error:
            raise StateInvalid(f"agent {self.agent!r}, aggregate {aggregate!r}: {error}") from None
        self.cells.setdefault(group, {})[aggregate] = Cell(held, chain, edition)

    def _park(self, share: Share, at: int, error: BaseException, state: bytes, out: Output) -> None:
        aggregate = share.window.aggregate
        row = share.start + at
        position = int(share.rows.position[row])
        self.parked[aggregate] = position
        out.parked.append(
            Parked(
                Who(self.agent, aggregate),
                position,
                _text(lambda: f"{type(error).__name__}: {error}", error),
                _text(lambda: "".join(traceback.format_exception(error)), error),
                state,
                write_ipc(share.batch.slice(row, 1)).to_pybytes(),
                error.after if isinstance(error, Retryable) else 0.0,
                error.attempts if isinstance(error, Retryable) else 0,
            )
        )
        self._hold(share, at, out)

    def _hold(self, share: Share, at: int, out: Output) -> None:
        start, count = share.start + at, len(share.window) - at
        positions = tuple(share.rows.position[start : start + count].tolist())
        rows = write_ipc(share.batch.slice(start, count)).to_pybytes()
        out.held.append(Held(Who(self.agent, share.window.aggregate), positions, rows))

    def _write(
        self, cell: Cell, share: Share, offset: int, window: Window, drafts: list[Draft]
    ) -> None:
        """Have the strategy decide on `window`, `offset` rows into the share; adds to `drafts`."""
        last, ordinal = -1, 0
        rows, edition = share.rows, self.editions[cell.edition]
        for made in edition.on_window(cell.state, window):
            row, decision = self._row_and_decision(made, last, window, edition)
            ordinal = ordinal + 1 if row == last else 0
            last = row
            place = share.start + offset + row
            cause = rows.cause(place)
            protocol = rows.protocol_of(place) or self.protocols[cause.source]
            drafts.append(write_draft(edition.line, cell.chain, decision, cause, ordinal, protocol))

    def _row_and_decision(
        self, made: object, last: int, window: Window, edition: Edition
    ) -> tuple[int, Decision]:
        match made:
            case (int() | np.integer() as row, Decision() as decision):
                if max(last, 0) <= row < len(window):
                    return int(row), decision
                wrong = f"decided on row {row} after row {last}: rows must not decrease"
            case _:
                wrong = f"returned {made!r}: it must return decisions, or pairs of row and decision"
        raise DecisionInvalid(
            f"strategy {edition.strategy.name!r} of agent {self.agent!r}, in a window of"
            f" {len(window)} rows of {window.aggregate!r}, {wrong}"
        )


def _text(tell: Callable[[], str], error: BaseException) -> str:
    """What is told of an error, as text that can be stored; its type alone if it cannot be told."""
    try:
        told = tell()
    except Exception:  # noqa: BLE001 (a strategy's own `__str__`)
        told = type(error).__name__
    return told.encode("utf-8", "backslashreplace").decode()


def _cut(window: Window, start: int, stop: int) -> Window:
    """The rows of a window from `start` to `stop`."""
    if stop - start == len(window):
        return window
    cut = slice(start, stop)
    time = window.time[cut]
    return Window(
        window.aggregate,
        time,
        time if window.known_at is window.time else window.known_at[cut],
        window.type if isinstance(window.type, str) else window.type.cut(cut),
        {
            name: column.cut(cut) if isinstance(column, Text) else column[cut]
            for name, column in window.columns.items()
        },
    )
