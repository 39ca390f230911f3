"""The agent that detects pools whose rate stands out."""

from __future__ import annotations

from runtime.deciding import Agent

YIELD_SCOUT = Agent(
    name="yield-scout",
    strategy="ewma-zscore",
    listens=("PoolRateObserved",),
    description="Detects pools whose rate jumps by more than it usually changes.",
)
"""Watches every pool of the feed."""
