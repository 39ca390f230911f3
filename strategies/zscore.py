"""Strategies that decide when a series starts to change by more than it usually does."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from math import isnan
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from runtime.deciding import (
    Decided,
    Decision,
    Event,
    Parameters,
    Strategy,
    Text,
    Window,
    event_by_event,
)
from strategies.edge import Edge, EdgeFinder, Track
from strategies.verdict import Judge, PoolTrack, Sight

_SHORT = 40
"""Windows below this many rows are cheaper value by value."""


class PriceParameters(Parameters):
    """When a price stands out."""

    alpha: float = Field(0.02, gt=0.0, le=0.5, description="smoothing of mean and variance")
    warmup: int = Field(50, ge=1, description="changes seen before the first decision")
    threshold: float = Field(2.65, gt=0.0, description="|z| that is an edge")


class PriceZScore(Strategy[Track]):
    """Rebalances where a price starts to move by more than it usually does.

    Takes `PriceObserved` (or any event with a `price`; rows without one are passed over) and
    decides on the rising edge of |z| (see `EdgeFinder`): `rebalance_in` after a fall,
    `rebalance_out` after a rise.
    """

    name = "price-zscore"
    version = "1"
    inputs: ClassVar[Mapping[str, type]] = {"price": float}
    emits = ("AgentDecisionMade",)
    Parameters: ClassVar[type[BaseModel]] = PriceParameters
    State: ClassVar[type] = Track

    def __init__(self, parameters: BaseModel) -> None:
        super().__init__(parameters)
        own = self.parameters
        finder = EdgeFinder(own.alpha, own.warmup, own.threshold)
        self._push, self._scan = finder.push, finder.scan
        self._thresholds = {"z": own.threshold}

    def on_event(self, state: Track, event: Event) -> Decided:
        price = event.price
        if isnan(price):
            return None
        edge = self._push(state, price)
        return None if edge is None else self._decide(price, edge)

    def on_window(self, state: Track, window: Window) -> Iterable[tuple[int, Decision]]:
        prices = window["price"]
        if len(prices) < _SHORT or np.isnan(prices).any():
            edges = self._push_each(state, prices.tolist())
        else:
            edges = self._scan(state, prices)
        return [(row, self._decide(float(prices[row]), edge)) for row, edge in edges]

    def _push_each(self, state: Track, prices: list[float]) -> list[tuple[int, Edge]]:
        push = self._push
        edges = []
        for row, price in enumerate(prices):
            edge = None if isnan(price) else push(state, price)
            if edge is not None:
                edges.append((row, edge))
        return edges

    def _decide(self, price: float, edge: Edge) -> Decision:
        return Decision(
            "rebalance_in" if edge.z < 0.0 else "rebalance_out",
            confidence=edge.confidence,
            reason="the price change is outside of the band of its moving variance",
            features={"price": round(price, 9), **edge.features},
            thresholds=self._thresholds,
        )


class RateParameters(Parameters):
    """When a pool's rate stands out, and when that is worth nothing."""

    alpha: float = Field(0.1, gt=0.0, le=0.5, description="smoothing of mean and variance")
    warmup: int = Field(14, ge=1, description="changes seen before the first decision")
    threshold: float = Field(2.5, gt=0.0, description="|z| that is an edge")
    floor: float = Field(0.001, ge=0.0, description="least deviation of a change, fraction a year")
    min_apr: float = Field(0.02, description="rate below which a jump is rejected, fraction a year")
    patience: int = Field(3, ge=0, description="observations in which a spike may not fall back")


class EwmaZScore(Strategy[PoolTrack]):
    """Detects pools whose rate jumps up by more than it usually changes.

    Takes `PoolRateObserved`: `rate` (fraction a year; rows without one are passed over),
    `symbol` and `frozen` (empty where the feed has no such field). On the rising edge of |z|
    (see `EdgeFinder`), if the rate went up, it emits `YieldOpportunityDetected` with the action
    `enter_position`. It emits `OpportunityRejected` instead or later, with the action

    - `reject_frozen`: the pool is frozen at the jump, or has become so,
    - `reject_low`: the rate is below `min_apr` even after the jump,
    - `reject_faded`: a detected spike has lost half of its jump or more within `patience`
      observations.

    A fall of the rate alone decides nothing. Features carry the pool's `symbol`, by which a
    later stage may group, and its `rate`.
    """

    name = "ewma-zscore"
    version = "1"
    inputs: ClassVar[Mapping[str, type]] = {"rate": float, "symbol": str, "frozen": bool}
    emits = ("YieldOpportunityDetected", "OpportunityRejected")
    Parameters: ClassVar[type[BaseModel]] = RateParameters
    State: ClassVar[type] = PoolTrack

    def __init__(self, parameters: BaseModel) -> None:
        super().__init__(parameters)
        own = self.parameters
        finder = EdgeFinder(own.alpha, own.warmup, own.threshold, own.floor)
        self._push, self._scan = finder.push, finder.scan
        thresholds = {"z": own.threshold, "deviation": own.floor, "min_apr": own.min_apr}
        self._judge = Judge(own.min_apr, own.patience, thresholds).judge

    def on_event(self, state: PoolTrack, event: Event) -> Decided:
        rate = event.rate
        if isnan(rate):
            return None
        before = state.last
        edge = self._push(state, rate)
        frozen = event.frozen
        if edge is None and not state.watch and frozen == state.frozen:
            return None
        return self._judge(state, Sight(rate, before, event.symbol, frozen), edge)

    def on_window(self, state: PoolTrack, window: Window) -> Iterable[tuple[int, Decision]]:
        rates = window["rate"]
        if len(rates) < _SHORT or np.isnan(rates).any():
            return event_by_event(self, state, window)
        frozen = window["frozen"]
        last = state.last
        edges = dict(self._scan(state, rates))
        due = sorted({*edges, *_flips(frozen, before=state.frozen)})
        decided = []
        row = _next_due(state, due, 0)
        while row < len(rates):
            before = float(rates[row - 1]) if row else last
            sight = Sight(float(rates[row]), before, _symbol(window, row), bool(frozen[row]))
            decision = self._judge(state, sight, edges.get(row))
            if decision is not None:
                decided.append((row, decision))
            row = _next_due(state, due, row + 1)
        return decided


def _next_due(state: PoolTrack, due: list[int], row: int) -> int:
    """The first row from `row` on that has to be judged; beyond all rows if there is none."""
    if state.watch:
        return row
    place = bisect_left(due, row)
    return due[place] if place < len(due) else sys.maxsize


def _flips(flags: NDArray[np.bool_], *, before: bool) -> list[int]:
    """The rows whose flag differs from the one before."""
    if not before and not flags.any():
        return []
    rows: list[int] = (np.flatnonzero(flags[1:] != flags[:-1]) + 1).tolist()
    return rows if bool(flags[0]) == before else [0, *rows]


def _symbol(window: Window, row: int) -> str:
    column = window.columns["symbol"]
    assert isinstance(column, Text)
    return column.cut(slice(row, row + 1)).tolist()[0]
