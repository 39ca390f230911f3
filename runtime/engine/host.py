"""A host: holds the state of its key groups and decides, window by window. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from runtime.deciding import Decision, StateCodec, Strategy, Window
from runtime.engine.author import Byline, Chain, new_chain, write_draft
from runtime.engine.keygroups import key_group
from runtime.engine.signing import Drafts
from runtime.engine.windows import Rows, columns_for, read_rows
from runtime.errors import DecisionInvalid, LucentError, StateInvalid, StrategyRaised
from runtime.events import GENESIS, Cause
from runtime.identity import Draft


@dataclass(slots=True)
class Cell:
    """What an agent keeps of one aggregate: the strategy's state and its chain."""

    state: Any
    chain: Chain


@dataclass(slots=True)
class Desk:
    """An agent at work in a host: its byline, its strategy, and by key group its cells.

    `on_window` is the strategy's own, or drives it event by event; `protocols` maps feed
    names to the protocol they observe.
    """

    line: Byline
    strategy: Strategy[Any]
    on_window: Callable[[Any, Window], Iterable[tuple[int, Decision]]]
    protocols: Mapping[str, str]
    cells: dict[int, dict[str, Cell]] = field(default_factory=dict)
    codec: StateCodec = field(init=False)

    def __post_init__(self) -> None:
        self.codec = StateCodec(self.strategy.State)

    def decide(
        self, group: int, rows: Rows, start: int, window: Window, drafts: list[Draft]
    ) -> None:
        """Decide on a window of `group` whose first row is `start` of `rows`; adds to `drafts`."""
        cell, made = self._decided(group, window, rows, start)
        last, ordinal = -1, 0
        for one in made:
            row, decision = self._row_and_decision(one, last, window)
            ordinal = ordinal + 1 if row == last else 0
            last = row
            cause = rows.cause(start + row)
            protocol = rows.protocol_of(start + row) or self.protocols[cause.source]
            drafts.append(write_draft(self.line, cell.chain, decision, cause, ordinal, protocol))

    def _decided(
        self, group: int, window: Window, rows: Rows, start: int
    ) -> tuple[Cell, list[object]]:
        """The cell of the window's aggregate, and what the strategy returns on it."""
        aggregate = window.aggregate
        try:
            cells = self.cells.setdefault(group, {})
            cell = cells.get(aggregate)
            if cell is None:
                begun = new_chain(self.line.agent, aggregate, GENESIS)
                cell = cells[aggregate] = Cell(self.strategy.start(aggregate), begun)
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
            group = key_group(window.aggregate)
            drafts = by_group.setdefault(group, [])
            for desk in self._desks[stage]:
                desk.decide(group, rows, start, window, drafts)
        return tuple((group, tuple(drafts)) for group, drafts in by_group.items())

    def snapshot(self, stage: str, groups: Collection[int]) -> dict[int, bytes]:
        """The state of key groups of a stage, as MessagePack; empty groups are left out."""
        parts: dict[int, list[tuple[str, str, int, str, bytes]]] = {}
        for desk in self._desks[stage]:
            for group in groups:
                for aggregate, cell in desk.cells.get(group, {}).items():
                    at = cell.chain
                    parts.setdefault(group, []).append(
                        (
                            desk.line.agent,
                            aggregate,
                            at.revision,
                            at.previous,
                            desk.codec.encode(cell.state),
                        )
                    )
        return {group: msgspec.msgpack.encode(cells) for group, cells in parts.items()}

    def restore(self, stage: str, groups: Collection[int], parts: Mapping[int, bytes]) -> None:
        """Hold key groups as `parts` of a snapshot have them, and nothing else of them.

        Raises `StateInvalid` if a part does not fit.
        """
        self.forget(stage, groups)
        desks = {desk.line.agent: desk for desk in self._desks[stage]}
        for group in groups:
            for agent, aggregate, revision, previous, state in _cells(stage, group, parts):
                desk = desks[agent]
                resumed = new_chain(agent, aggregate, previous)
                resumed.revision = revision
                cell = Cell(desk.codec.decode(state), resumed)
                desk.cells.setdefault(group, {})[aggregate] = cell

    def forget(self, stage: str, groups: Collection[int]) -> None:
        """Drop the state of key groups."""
        for desk in self._desks[stage]:
            for group in groups:
                desk.cells.pop(group, None)


_CELLS = msgspec.msgpack.Decoder(list[tuple[str, str, int, str, bytes]])


def _cells(
    stage: str, group: int, parts: Mapping[int, bytes]
) -> list[tuple[str, str, int, str, bytes]]:
    if group not in parts:
        return []
    try:
        return _CELLS.decode(parts[group])
    except msgspec.MsgspecError as error:
        raise StateInvalid(
            f"the snapshot of stage {stage!r}, key group {group}, is damaged: {error}"
        ) from None
