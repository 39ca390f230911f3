"""The plain loop's own arithmetic as an event-by-event strategy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from time import perf_counter
from typing import Any, ClassVar

from runtime.deciding import Decided, Decision, Event, Parameters, Strategy


class TickParameters(Parameters):
    """Smoothing, changes before the first decision, and the |z| that is an edge."""

    alpha: float = 0.02
    warmup: int = 50
    threshold: float = 2.65


@dataclass(slots=True)
class TickState:
    """Moving mean and variance of the price change."""

    n: int = 0
    last: float = 0.0
    mean: float = 0.0
    var: float = 0.0
    above: bool = False


class TickZScore(Strategy[TickState]):
    """Decides on the rising edge of |z|, with the recursion written out."""

    name = "tick-zscore"
    version = "1"
    inputs: ClassVar[Mapping[str, type]] = {"price": float}
    Parameters: ClassVar[Any] = TickParameters
    State: ClassVar[type] = TickState

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters)
        self._alpha = parameters.alpha
        self._warmup = parameters.warmup
        self._threshold = parameters.threshold
        self._thresholds = {"z": parameters.threshold}

    def on_event(self, state: TickState, event: Event) -> Decided:
        price = event.price
        n = state.n
        state.n = n + 1
        if n == 0:
            state.last = price
            return None
        change = price - state.last
        state.last = price
        off = change - state.mean
        decided = None
        if n > self._warmup and state.var > 0.0:
            z = off / sqrt(state.var)
            hot = abs(z) >= self._threshold
            if hot and not state.above:
                decided = self._decide(price, z)
            state.above = hot
        alpha = self._alpha
        state.mean += alpha * off
        state.var = (1.0 - alpha) * (state.var + alpha * off * off)
        return decided

    def _decide(self, price: float, z: float) -> Decision:
        return Decision(
            "rebalance_in" if z < 0.0 else "rebalance_out",
            confidence=round(min(0.999, abs(z) / 6.0), 6),
            reason="price change is outside of the band of its moving variance",
            features={"price": price, "z": round(z, 6)},
            thresholds=self._thresholds,
        )


POISONOUS = 100
"""The event of a poisoned aggregate that is raised on."""


class BusyParameters(Parameters):
    """Microseconds of work an event, and every how many events to decide.

    Aggregates whose number is a multiple of `poison` raise on their hundredth event.
    """

    micros: float = 20.0
    every: int = 50
    poison: int = 0


class Busy(Strategy[TickState]):
    """Spends a fixed time of the processor on each event."""

    name = "busy"
    version = "1"
    inputs: ClassVar[Mapping[str, type]] = {"price": float}
    Parameters: ClassVar[Any] = BusyParameters
    State: ClassVar[type] = TickState

    def on_event(self, state: TickState, event: Event) -> Decided:
        until = perf_counter() + self.parameters.micros * 1e-6
        while perf_counter() < until:
            pass
        state.n += 1
        if state.n == POISONOUS and state.above:
            raise ArithmeticError("this aggregate is poisoned")
        if state.n % self.parameters.every:
            return None
        return Decision("hold", 0.5, features={"n": state.n})

    def start(self, aggregate: str) -> TickState:
        """Whether the aggregate is poisoned is kept as `above`."""
        poison = self.parameters.poison
        return TickState(above=bool(poison) and int(aggregate[-3:]) % poison == 0)
