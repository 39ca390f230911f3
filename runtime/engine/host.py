"""A host: holds the state of its key groups and decides, window by window. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from runtime.deciding import Decision, StateCodec, Strategy, Window
from runtime.engine.author import Byline, Chain, Sign, new_chain, write_draft
from runtime.engine.keygroups import key_group
from runtime.engine.messages import Results, Sealed
from runtime.engine.windows import Rows, columns_for, read_rows
from runtime.errors import DecisionInvalid, LucentError, StateInvalid, StrategyRaised
from runtime.events import GENESIS, Cause, split_decision_stream
from runtime.identity import Draft, seal

Drafts = tuple[tuple[int, tuple[Draft, ...]], ...]
"""Of each key group of a part: what was decided in it, in order, not signed yet."""


@dataclass(slots=True)
class Cell:
    """What an agent keeps of one aggregate: the strategy's state and its chain."""

    state: Any
    chain: Chain


@dataclass(slots=True)
class Desk:
    """An agent at work in a host: its byline, its strategy, and a cell an aggregate.

    `on_window` is the strategy's own, or drives it event by event; `protocols` maps feed
    names to the protocol they observe.
    """

    line: Byline
    strategy: Strategy[Any]
    on_window: Callable[[Any, Window], Iterable[tuple[int, Decision]]]
    protocols: Mapping[str, str]
    cells: dict[str, Cell] = field(default_factory=dict)
    codec: StateCodec = field(init=False)

    def __post_init__(self) -> None:
        self.codec = StateCodec(self.strategy.State)

    def decide(self, rows: Rows, start: int, window: Window, drafts: list[Draft]) -> None:
        """Decide on a window whose first row is `start` of `rows`; adds to `drafts`."""
        cell, made = self._decided(window, rows, start)
        last, ordinal = -1, 0
        for one in made:
            row, decision = self._row_and_decision(one, last, window)
            ordinal = ordinal + 1 if row == last else 0
            last = row
            cause = rows.cause(start + row)
            protocol = rows.protocol_of(start + row) or self.protocols[cause.source]
            drafts.append(write_draft(self.line, cell.chain, decision, cause, ordinal, protocol))

    def _decided(self, window: Window, rows: Rows, start: int) -> tuple[Cell, list[object]]:
        """The cell of the window's aggregate, and what the strategy returns on it."""
        aggregate = window.aggregate
        try:
            cell = self.cells.get(aggregate)
            if cell is None:
                begun = new_chain(self.line.agent, aggregate, GENESIS)
                cell = self.cells[aggregate] = Cell(self.strategy.start(aggregate), begun)
            return cell, list(self.on_window(cell.state, window))
        except LucentError:
            raise
        except Exception as error:
            first: Cause = rows.cause(start)
            raise StrategyRaised(
                f"strategy {self.strategy.name!r} of agent {self.line.agent!r} raised"
                f" {type(error).__name__}: {error}; aggregate {window.aggregate!r}, in the"
                f" {len(window)} events from row {first.row} of {first.source}"
                f" (position {first.position})"
            ) from error

    def _row_and_decision(self, made: object, last: int, window: Window) -> tuple[int, Decision]:
        match made:
            case (int() | np.integer() as row, Decision() as decision):
                if max(last, 0) <= row < len(window):
                    return int(row), decision
                wrong = f"decided on row {row} after row {last}: rows must not decrease"
            case _:
                wrong = f"returned {made!r}: it must return decisions, or pairs of row and decision"
        raise DecisionInvalid(
            f"strategy {self.strategy.name!r} of agent {self.line.agent!r}, in a window of"
            f" {len(window)} rows of {window.aggregate!r}, {wrong}"
        )


class Host:
    """Decides on the parts it is given, in their order; `desks` are its agents by stage.

    Deciding and signing are two steps, so that a shell may sign elsewhere.
    """

    def __init__(self, desks: Mapping[str, Sequence[Desk]]) -> None:
        self._desks = desks
        self._inputs = {
            stage: columns_for([desk.strategy.inputs for desk in those])
            for stage, those in desks.items()
        }

    def decide(self, stage: str, batch: pa.RecordBatch) -> Drafts:
        """Decide on rows sorted by aggregate; answers for every key group among them."""
        rows = read_rows(batch, self._inputs[stage])
        by_group: dict[int, list[Draft]] = {}
        for start, window in rows.windows():
            drafts = by_group.setdefault(key_group(window.aggregate), [])
            for desk in self._desks[stage]:
                desk.decide(rows, start, window, drafts)
        return tuple((group, tuple(drafts)) for group, drafts in by_group.items())

    def snapshot(self, stage: str) -> dict[int, bytes]:
        """The state of a stage by key group, as MessagePack; empty groups are left out."""
        parts: dict[int, list[tuple[str, str, int, str, bytes]]] = {}
        for desk in self._desks[stage]:
            for aggregate, cell in desk.cells.items():
                state = desk.codec.encode(cell.state)
                at = cell.chain
                parts.setdefault(key_group(aggregate), []).append(
                    (desk.line.agent, aggregate, at.revision, at.previous, state)
                )
        return {group: msgspec.msgpack.encode(cells) for group, cells in parts.items()}

    def restore(self, stage: str, parts: Mapping[int, bytes]) -> None:
        """Take over state from a snapshot; raises `StateInvalid` if it does not fit."""
        desks = {desk.line.agent: desk for desk in self._desks[stage]}
        decoder = msgspec.msgpack.Decoder(list[tuple[str, str, int, str, bytes]])
        for group, part in parts.items():
            try:
                cells = decoder.decode(part)
            except msgspec.MsgspecError as error:
                raise StateInvalid(
                    f"the snapshot of stage {stage!r}, key group {group}, is damaged: {error}"
                ) from None
            for agent, aggregate, revision, previous, state in cells:
                desk = desks[agent]
                resumed = new_chain(agent, aggregate, previous)
                resumed.revision = revision
                desk.cells[aggregate] = Cell(desk.codec.decode(state), resumed)


def sign(
    drafts: Drafts, keys: Mapping[str, Sign], spread: Callable[..., Any] = map, shares: int = 1
) -> Results:
    """Sign all drafts; `keys` maps the name of an agent to its signing function.

    `spread` maps a function over `shares` lists of drafts, as `map` does: the `map` of a
    thread pool signs on several cores, since signing needs no interpreter lock.
    """
    flat = [one for _, those in drafts for one in those]
    size = max(1, -(-len(flat) // shares))
    lists = [flat[start : start + size] for start in range(0, len(flat), size)]
    sealed = chain.from_iterable(spread(partial(_seal_all, keys), lists))
    return tuple((group, tuple(islice(sealed, len(those)))) for group, those in drafts)


def _seal_all(keys: Mapping[str, Sign], drafts: Sequence[Draft]) -> list[Sealed]:
    return [_sealed(one, keys) for one in drafts]


def _sealed(drafted: Draft, keys: Mapping[str, Sign]) -> Sealed:
    event = seal(drafted, keys[split_decision_stream(drafted.stream)[0]])
    return Sealed(
        drafted.stream, drafted.revision, event.event_id, event.type, event.data, event.metadata
    )
