"""The bundled sample, taken through the shipped agents without the runtime."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agents.allocator import ALLOCATOR
from agents.forecaster import RATE_FORECASTER
from agents.samples import sample_path
from agents.scout import YIELD_SCOUT
from runtime.deciding import Decision, Strategy, Text, Window, event
from strategies.forecast import RateForecast
from strategies.rotation import Rotation
from strategies.zscore import EwmaZScore


@dataclass(frozen=True)
class Made:
    """A decision, when and about which aggregate it was made."""

    time: int
    aggregate: str
    decision: Decision


@pytest.fixture(scope="session")
def sample() -> pa.Table:
    return pq.read_table(sample_path("aave-v3-daily/aave_v3_daily.parquet"))


@pytest.fixture(scope="session")
def pools(sample: pa.Table) -> list[Window]:
    """One window a pool, by name; the pool is network and asset."""
    return list(_windows(sample))


@pytest.fixture(scope="session")
def scouted(pools: list[Window]) -> list[Made]:
    return _decide(EwmaZScore.configure(YIELD_SCOUT.parameters), pools)


@pytest.fixture(scope="session")
def forecast(pools: list[Window]) -> list[Made]:
    return _decide(RateForecast.configure(RATE_FORECASTER.parameters), pools)


@pytest.fixture(scope="session")
def allocated(scouted: list[Made], forecast: list[Made]) -> list[Made]:
    strategy = Rotation.configure(ALLOCATOR.parameters)
    states = {symbol: strategy.start(symbol) for symbol in ALLOCATOR.select["symbol"]}
    made = []
    for heard in sorted([*scouted, *forecast], key=lambda one: (one.time, one.aggregate)):
        symbol = str(heard.decision.features["symbol"])
        if symbol not in states:
            continue
        decision = strategy.on_event(states[symbol], _relayed(heard))
        if isinstance(decision, Decision):
            made.append(Made(heard.time, symbol, decision))
    return made


def _windows(table: pa.Table) -> Iterator[Window]:
    network, asset = (table[name].to_pylist() for name in ("network", "asset_address"))
    names = np.array([f"{a}/{b}" for a, b in zip(network, asset, strict=True)])
    stamps = [text.removesuffix("+00:00") for text in table["generated_at"].to_pylist()]
    times = np.array(stamps, "datetime64[ns]").astype(np.int64)
    symbols, codes = np.unique(table["symbol"].to_pylist(), return_inverse=True)
    rates = table["current_liquidity_rate"].to_numpy()
    frozen = table["frozen"].to_numpy()
    for name in np.unique(names).tolist():
        rows = np.flatnonzero(names == name)
        columns = {
            "rate": rates[rows],
            "symbol": Text(codes[rows].astype(np.int32), symbols.tolist()),
            "frozen": frozen[rows],
        }
        yield Window(name, times[rows], times[rows], "PoolRateObserved", columns)


def _decide(strategy: Strategy, windows: Iterable[Window]) -> list[Made]:
    return [
        Made(int(window.time[row]), window.aggregate, decision)
        for window in windows
        for row, decision in strategy.on_window(strategy.start(window.aggregate), window)
    ]


def _relayed(made: Made) -> object:
    features = made.decision.features
    return event(
        made.time,
        type=made.decision.type,
        origin=made.aggregate,
        forecast=float(features.get("forecast", np.nan)),
        confidence=made.decision.confidence,
        frozen=bool(features.get("frozen", False)),
    )
