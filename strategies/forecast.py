"""A strategy that forecasts what a pool will pay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan
from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel, Field, model_validator

from runtime.deciding import Decided, Decision, Event, Parameters, Strategy
from strategies.ridge import LOOKBACK, Model, features, fit


class ForecastParameters(Parameters):
    """What is forecast, what it is learned from, and what is worth telling."""

    horizon: int = Field(7, ge=1, le=365, description="observations ahead")
    memory: int = Field(120, ge=LOOKBACK, le=10_000, description="observations learned from")
    warmup: int = Field(40, ge=LOOKBACK, description="observations before the first forecast")
    refit: int = Field(14, ge=1, description="observations between two fits")
    penalty: float = Field(2.0, ge=1e-3, le=1e6, description="ridge penalty per training pair")
    step: float = Field(0.0025, ge=1e-6, description="move worth telling, fraction a year")
    renew: int = Field(30, ge=0, description="observations until told again unmoved; 0: never")

    @model_validator(mode="after")
    def _enough(self) -> Self:
        least = LOOKBACK + self.horizon
        if not least <= self.warmup <= self.memory:
            raise ValueError(
                f"warmup must lie between {least} (lookback {LOOKBACK} + horizon) and memory"
                f" {self.memory}, was {self.warmup}"
            )
        return self


@dataclass(slots=True)
class PoolMemory:
    """What is kept of a pool.

    `rates` are the last observations, at most `memory`; `pending` the forecasts whose target
    is not observed yet; `error` the mean absolute error of those whose target was, `scored`
    how many these are; `told` the last forecast decided on (0.0 at first) and `told_at` after
    how many observations that was.
    """

    seen: int = 0
    rates: list[float] = field(default_factory=list)
    pending: list[float] = field(default_factory=list)
    error: float = 0.0
    scored: int = 0
    told: float = 0.0
    told_at: int = 0
    model: Model | None = None


class RateForecast(Strategy[PoolMemory]):
    """Forecasts the rate of a pool `horizon` observations ahead and tells when that moves.

    Takes `PoolRateObserved`: `rate` (fraction a year; rows without one are passed over) and
    `symbol`. After `warmup` observations, and every `refit` from then on, a ridge regression
    is fitted on the last `memory` observations (see `strategies.ridge`). The forecast stays
    within the rates in memory and is rounded to 1e-6 before anything is compared with it.

    Emits `PositionCalculated` with the action `forecast_rate` when the forecast lies `step` or
    more from the last one told, the first being compared with 0 (a pool that pays dust is
    never told of), or when it was not told for `renew` observations. `apr` and the feature
    `forecast` are the forecast; `error` is the mean absolute error of the `scored` forecasts
    whose target was observed (0 as long as there is none), `trained` the number of pairs
    learned from. Confidence is level / (level + error), where level is the forecast, at least
    `step`.
    """

    name = "rate-forecast"
    version = "1"
    inputs: ClassVar[Mapping[str, type]] = {"rate": float, "symbol": str}
    emits = ("PositionCalculated",)
    Parameters: ClassVar[type[BaseModel]] = ForecastParameters
    State: ClassVar[type] = PoolMemory

    def on_event(self, state: PoolMemory, event: Event) -> Decided:
        rate = event.rate
        if isnan(rate):
            return None
        self._remember(state, rate)
        if state.model is None:
            return None
        forecast = _forecast(state.rates, state.model)
        state.pending.append(forecast)
        reason = self._reason(state, forecast)
        if reason is None:
            return None
        state.told, state.told_at = forecast, state.seen
        return self._decide(state, event.symbol, reason)

    def _remember(self, state: PoolMemory, rate: float) -> None:
        """Take in a rate: into memory, into the error of what was forecast, into the model."""
        own = self.parameters
        state.seen += 1
        state.rates.append(rate)
        if len(state.rates) > own.memory:
            del state.rates[0]
        if len(state.pending) == own.horizon:
            miss = abs(state.pending.pop(0) - rate)
            state.scored += 1
            state.error += (miss - state.error) / min(state.scored, own.memory)
        due = state.seen - own.warmup
        if due >= 0 and due % own.refit == 0:
            state.model = fit(np.array(state.rates), own.horizon, own.penalty)

    def _reason(self, state: PoolMemory, forecast: float) -> str | None:
        own = self.parameters
        if round(abs(forecast - state.told), 6) >= own.step:
            return "the forecast has moved" if state.told_at else "the first forecast"
        if own.renew and state.told >= own.step and state.seen - state.told_at >= own.renew:
            return "the forecast still holds"
        return None

    def _decide(self, state: PoolMemory, symbol: str, reason: str) -> Decision:
        assert state.model is not None
        own = self.parameters
        level = max(state.told, own.step)
        error = round(state.error, 6)
        return Decision(
            "forecast_rate",
            confidence=round(level / (level + error), 6),
            apr=state.told,
            reason=reason,
            features={
                "forecast": state.told,
                "rate": round(state.rates[-1], 9),
                "symbol": symbol,
                "error": error,
                "scored": state.scored,
                "trained": state.model.pairs,
            },
            thresholds={"step": own.step, "horizon": own.horizon},
            type="PositionCalculated",
        )


def _forecast(rates: list[float], model: Model) -> float:
    """What the rate will be, within the range of `rates`, on a grid of 1e-6."""
    now = features(np.array(rates[-LOOKBACK:])).tolist()[0]
    ahead = rates[-1] + model.change(now)
    return round(min(max(ahead, min(rates)), max(rates)), 6)
