"""Small strategies, found by name as `tests.support.strategies:Class`."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, Field

from runtime.deciding import Decided, Decision, Event, Parameters, Retryable, Strategy, Window

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


@dataclass(slots=True)
class SeenLonger:
    """What `Seen` holds, and what is new."""

    count: int = 0
    last: float = 0.0
    highest: float = 0.0


class WatchLonger(Watch):
    """A later version of `Watch`, with more state."""

    version = "2"
    State: ClassVar[type] = SeenLonger

    def on_event(self, state: SeenLonger, event: Event) -> Decided:
        state.highest = max(state.highest, event.rate)
        return super().on_event(state, event)


@dataclass(slots=True)
class SeenOtherwise:
    """What cannot read what `Seen` left."""

    count: str = ""
    last: float = 0.0


class WatchOtherwise(Watch):
    """A later version of `Watch`, which does not fit the state that was left."""

    version = "3"
    State: ClassVar[type] = SeenOtherwise


@dataclass(slots=True)
class SeenLess:
    """What would lose a field that `Seen` left."""

    count: int = 0


class WatchLess(Watch):
    """A later version of `Watch`, which forgets the last rate."""

    version = "4"
    State: ClassVar[type] = SeenLess


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


class FollowLonger(Follow):
    """A later version of `Follow`, which reads more of what is decided before it."""

    version = "2"
    inputs: ClassVar[Mapping[str, type]] = {**Follow.inputs, "before": float}

    def on_event(self, state: Seen, event: Event) -> Decided:
        state.count += 1
        before = event.before if math.isfinite(event.before) else 0.0
        yield Decision("hold", 1.0, features={"pool": event.origin, "before": before})


class FollowAfraid(Follow):
    """An earlier version of `Follow`, which raises on a yield above one half."""

    version = "0"

    def on_event(self, state: Seen, event: Event) -> Decided:
        if getattr(event, "yield") > 50.0:
            raise ZeroDivisionError("no such yield")
        return super().on_event(state, event)


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


class Mended(Failing):
    """`Failing`, mended."""

    version = "2"

    def on_event(self, state: Seen, event: Event) -> Decided:
        return Decision("hold", 0.5)


@dataclass(slots=True)
class Mood:
    """How many events were seen, and of which pool."""

    count: int = 0
    pool: str = ""


class Moody(Strategy[Mood]):
    """Raises on the fourth rate of the pools it hates, after it has spoilt its state.

    With `patience` it asks to be tried again, and gives in after so many times.
    """

    name = "moody"
    version = "1"
    inputs: ClassVar[Mapping[str, type]] = {"rate": float}
    State: ClassVar[type] = Mood
    hated: ClassVar[tuple[str, ...]] = ()
    patience: ClassVar[int] = 0
    tried: ClassVar[int] = 0
    after: ClassVar[float] = 0.01

    def start(self, aggregate: str) -> Mood:
        return Mood(pool=aggregate)

    def on_event(self, state: Mood, event: Event) -> Decided:
        state.count += 1
        if state.pool in type(self).hated and round(event.rate * 1000) % 10 == 3:
            self._raise(state)
        return Decision("hold", 0.5, features={"count": state.count})

    def _raise(self, state: Mood) -> None:
        kind, count = type(self), state.count
        state.count = 99
        if not kind.patience:
            raise RuntimeError("I do not like celo/usdc")
        kind.tried += 1
        if kind.tried > kind.patience + 1:
            state.count = count
        else:
            raise Retryable("not in the mood", after=kind.after, attempts=5)


class Deadly(Moody):
    """Kills its host, or never returns, on the fourth rate of a pool named `celo/usdc`.

    As long as there is no file named as the parameter `antidote`.
    """

    name = "deadly"

    class Parameters(Parameters):
        """Where the antidote is, and whether to hang instead of dying."""

        antidote: str
        hang: bool = False

    def on_event(self, state: Mood, event: Event) -> Decided:
        fatal = state.pool == "celo/usdc" and round(event.rate * 1000) % 10 == 3
        if fatal and not Path(self.parameters.antidote).exists():
            if self.parameters.hang:
                time.sleep(3600)
            os.kill(os.getpid(), signal.SIGSEGV)
        state.count += 1
        return Decision("hold", 0.5, features={"count": state.count})
