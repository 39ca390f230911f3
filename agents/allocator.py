"""The agent that decides, for each stablecoin, in which pool to be."""

from __future__ import annotations

from runtime.deciding import Agent

STABLECOINS = (
    "AUSD",
    "BUSD",
    "DAI",
    "DAI.e",
    "FDUSD",
    "FRAX",
    "GHO",
    "LUSD",
    "MAI",
    "PYUSD",
    "RLUSD",
    "USDC",
    "USDC.e",
    "USDS",
    "USDT",
    "USDT0",
    "USDbC",
    "USDe",
    "USDm",
    "USDt",
    "USDtb",
    "USD₮",
    "USD₮0",
    "USN",
    "WXDAI",
    "cUSD",
    "crvUSD",
    "m.DAI",
    "m.USDC",
    "m.USDT",
    "mUSD",
    "miMATIC",
    "sUSD",
)
"""Symbols of tokens that keep to one US dollar and do not earn by themselves."""

ALLOCATOR = Agent(
    name="allocator",
    strategy="rotation",
    listens=("YieldOpportunityDetected", "OpportunityRejected", "PositionCalculated"),
    key="symbol",
    select={"symbol": STABLECOINS},
    description="Holds the best pool of each stablecoin, as scout and forecaster see them.",
)
"""One portfolio a stablecoin; its events are what is decided about that coin's pools."""
