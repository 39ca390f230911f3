"""The agent that forecasts what pools will pay."""

from __future__ import annotations

from runtime.deciding import Agent

RATE_FORECASTER = Agent(
    name="rate-forecaster",
    strategy="rate-forecast",
    listens=("PoolRateObserved",),
    description="Forecasts each pool's rate a week of observations ahead.",
)
"""Forecasts every pool of the feed."""
