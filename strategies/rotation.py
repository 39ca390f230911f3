"""A strategy that decides in which pool to be, from what other agents decide about pools."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import ClassVar

from pydantic import BaseModel, Field

from runtime.deciding import Decided, Decision, Event, Parameters, Strategy
from strategies.portfolio import DAY, Pool, Portfolio


class RotationParameters(Parameters):
    """What a move costs, what it must bring, and how long it must have been worth it."""

    cost: float = Field(0.001, ge=0.0, le=1.0, description="fraction of the position, a move")
    horizon_days: float = Field(30.0, gt=0.0, le=3650.0, description="days a move has to pay")
    confirm: int = Field(3, ge=1, description="consecutive events on which the leader leads")
    hold_days: float = Field(3.0, ge=0.0, le=3650.0, description="least days between moves")
    min_apr: float = Field(0.01, description="forecast to enter or stay at, fraction a year")
    max_age: float = Field(45.0, gt=0.0, le=3650.0, description="days until a forecast is stale")
    bar_days: float = Field(7.0, ge=0.0, le=3650.0, description="days a rejected pool is barred")
    max_pools: int = Field(64, ge=2, le=10_000, description="pools remembered")


class Rotation(Strategy[Portfolio]):
    """Holds one pool of a portfolio and moves to another when that pays.

    The aggregate is a portfolio (a stablecoin), its events are decisions about pools; `origin`
    names the pool. Of a pool it knows

    - its forecast, from `PositionCalculated` (feature `forecast`, fraction a year),
    - that it is barred for `bar_days`, from `OpportunityRejected`; if the feature `frozen` is
      set, for as long as no opportunity is detected in it,
    - that it is not barred, from `YieldOpportunityDetected`.

    On each event it does the first of these that applies:

    - leave the pool held (`exit_position`) if it is frozen, its forecast is older than
      `max_age`, or the forecast is below `min_apr`;
    - while none is held, enter the pool of the best forecast (`enter_position`, a
      `PositionRecommended`);
    - move to that pool (`rotate`) if its advantage over the pool held, times `horizon_days` /
      365, is above `cost`, has been so for the same pool on `confirm` consecutive events, and
      the last move is `hold_days` past.

    The best is the highest forecast of a pool neither barred, frozen nor stale, at or above
    `min_apr`; of equals the first by name. Time is event time.
    """

    name = "rotation"
    version = "1"
    inputs: ClassVar[Mapping[str, type]] = {
        "origin": str,
        "forecast": float,
        "confidence": float,
        "frozen": bool,
    }
    emits = ("AgentDecisionMade", "PositionRecommended")
    Parameters: ClassVar[type[BaseModel]] = RotationParameters
    State: ClassVar[type] = Portfolio

    def __init__(self, parameters: BaseModel) -> None:
        super().__init__(parameters)
        self._max_age = round(self.parameters.max_age * DAY)
        self._bar = round(self.parameters.bar_days * DAY)
        self._hold = round(self.parameters.hold_days * DAY)

    def on_event(self, state: Portfolio, event: Event) -> Decided:
        self._hear(state, event)
        now = event.time
        why = self._why_leave(state, now)
        if why:
            return self._leave(state, now, why)
        best = state.best(now, self._max_age, self.parameters.min_apr)
        if not state.held:
            return self._enter(state, now, best) if best else None
        return self._weigh(state, now, best)

    def _hear(self, state: Portfolio, event: Event) -> None:
        """Take in what was decided about a pool."""
        if event.type == "PositionCalculated":
            if isnan(event.forecast):
                return
            pool = state.pool(event.origin)
            pool.forecast, pool.confidence = event.forecast, event.confidence
            pool.heard_at = event.time
        elif event.type == "OpportunityRejected":
            pool = state.pool(event.origin)
            pool.frozen = pool.frozen or event.frozen
            pool.barred_until = event.time + self._bar
        elif event.type == "YieldOpportunityDetected":
            pool = state.pool(event.origin)
            pool.frozen, pool.barred_until = False, 0
        state.forget(self.parameters.max_pools)

    def _why_leave(self, state: Portfolio, now: int) -> str:
        if not state.held:
            return ""
        pool = state.pools[state.held]
        if pool.frozen:
            return "the pool held is frozen"
        if now > pool.heard_at + self._max_age:
            return "the forecast of the pool held is stale"
        return "the pool held pays too little" if pool.forecast < self.parameters.min_apr else ""

    def _leave(self, state: Portfolio, now: int, why: str) -> Decision:
        own = self.parameters
        name, pool = state.held, state.pools[state.held]
        held_for = _days(now - state.moved_at)
        state.move("", now)
        return Decision(
            "exit_position",
            confidence=1.0,
            apr=pool.forecast,
            reason=why,
            features={"pool": name, "forecast": pool.forecast, "held_days": held_for},
            thresholds={"min_apr": own.min_apr, "max_age": own.max_age},
        )

    def _enter(self, state: Portfolio, now: int, best: str) -> Decision:
        pool = state.pools[best]
        state.move(best, now)
        return Decision(
            "enter_position",
            confidence=pool.confidence,
            apr=pool.forecast,
            reason="the best forecast of the portfolio's pools",
            features={"pool": best, "forecast": pool.forecast, "pools": len(state.pools)},
            thresholds={"min_apr": self.parameters.min_apr},
            type="PositionRecommended",
        )

    def _weigh(self, state: Portfolio, now: int, best: str) -> Decision | None:
        """Move from the pool held to the best if that pays and has done so long enough."""
        own = self.parameters
        held = state.pools[state.held]
        gain = self._gain(held, state.pools[best]) if best else 0.0
        led = state.lead(best if gain > own.cost else "")
        if led < own.confirm or now - state.moved_at < self._hold:
            return None
        return self._rotate(state, now, gain)

    def _gain(self, held: Pool, other: Pool) -> float:
        """What `other` is expected to earn above `held` over the horizon, as a fraction."""
        ahead = other.forecast - held.forecast
        days: float = self.parameters.horizon_days
        return round(ahead * days / 365.0, 9)

    def _rotate(self, state: Portfolio, now: int, gain: float) -> Decision:
        own = self.parameters
        held, best = state.held, state.leader
        pool = state.pools[best]
        features: dict[str, bool | int | float | str] = {
            "pool": best,
            "from_pool": held,
            "forecast": pool.forecast,
            "from_forecast": state.pools[held].forecast,
            "gain": gain,
            "led": state.led,
            "held_days": _days(now - state.moved_at),
        }
        state.move(best, now)
        return Decision(
            "rotate",
            confidence=pool.confidence,
            apr=pool.forecast,
            reason="the gain over the horizon exceeds the cost of a move",
            features=features,
            thresholds={
                "cost": own.cost,
                "horizon_days": own.horizon_days,
                "confirm": own.confirm,
                "hold_days": own.hold_days,
            },
        )


def _days(nanoseconds: int) -> float:
    return round(nanoseconds / DAY, 6)
