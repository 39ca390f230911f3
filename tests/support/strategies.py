"""Small strategies, found by name as `tests.support.strategies:Class`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel, Field

from runtime.deciding import Decided, Decision, Event, Parameters, Strategy, Window

HERE = "tests.support.strategies"


@dataclass(slots=True)
class Seen:
    """How many events were seen, and the last value."""

    count: int = 0
    last: float = 0.0


class WatchParameters(Parameters):
    """Every how many events to decide."""

    every: int = Field(2, ge=1)


class Watch(Strategy[Seen]):
    """Detects an opportunity on every `every`-th rate of a pool."""

    name = "watch"
    version = "1"
    inputs: ClassVar[Mapping[str, type]] = {"rate": float, "symbol": str}
    emits = ("YieldOpportunityDetected",)
    Parameters: ClassVar[type[BaseModel]] = WatchParameters
    State: ClassVar[type] = Seen

    def on_event(self, state: Seen, event: Event) -> Decided:
        state.count += 1
        before, state.last = state.last, event.rate
        if state.count % self.parameters.every:
            return None
        return Decision(
            "enter_position",
            confidence=0.5,
            apr=event.rate,
            reason="its turn",
            features={"symbol": event.symbol, "before": before, "count": state.count},
            thresholds={"every": self.parameters.every},
            type="YieldOpportunityDetected",
        )


class Follow(Strategy[Seen]):
    """Recommends a position and decides on it, whenever an opportunity is detected."""

    name = "follow"
    version = "1"
    inputs: ClassVar[Mapping[str, type]] = {"origin": str, "yield": float}
    emits = ("AgentDecisionMade", "PositionRecommended")
    State: ClassVar[type] = Seen

    def on_event(self, state: Seen, event: Event) -> Decided:
        state.count += 1
        pool = event.origin
        yield Decision("hold", 1.0, features={"pool": pool}, type="PositionRecommended")
        yield Decision("rotate", 0.25, features={"pool": pool, "moves": state.count})


class Windowed(Strategy[Seen]):
    """Names the aggregate on every row; written for windows only."""

    name = "windowed"
    version = "1"
    inputs: ClassVar[Mapping[str, type]] = {"rate": float}
    State: ClassVar[type] = Seen

    def on_window(self, state: Seen, window: Window) -> Iterable[tuple[int, Decision]]:
        for row in range(len(window)):
            state.count += 1
            features = {"rate": float(window["rate"][row]), "count": state.count}
            yield row, Decision("hold", 0.5, reason=window.aggregate, features=features)


class Failing(Strategy[Seen]):
    """Raises on a rate above one half."""

    name = "failing"
    version = "1"
    inputs: ClassVar[Mapping[str, type]] = {"rate": float}
    State: ClassVar[type] = Seen

    def on_event(self, state: Seen, event: Event) -> Decided:
        if event.rate > 0.5:
            raise ZeroDivisionError("no such rate")
        return Decision("hold", 0.5)
