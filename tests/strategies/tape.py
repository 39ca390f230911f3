"""Made-up inputs for any strategy, and ways to take a strategy through them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from runtime.deciding import Decision, StateCodec, Strategy, Text, Window, event_by_event

DAY = 86_400_000_000_000
TYPES = ("PositionCalculated", "OpportunityRejected", "YieldOpportunityDetected")
ORIGINS = ("base/usdc", "celo/usdc", "linea/usdc", "zksync/usdc")

Made = list[tuple[int, Decision]]


def rates(rng: np.random.Generator, rows: int) -> np.ndarray:
    """A rate that drifts, spikes, stands still and is missing now and then."""
    values = 0.03 + np.cumsum(rng.normal(0.0, 0.001, rows))
    values += np.where(rng.random(rows) < 0.06, rng.uniform(0.01, 0.2, rows), 0.0)
    values[rows // 3 : rows // 3 + rows // 8] = 0.05
    return np.clip(values, 0.0, 2.0)


def prices(rng: np.random.Generator, rows: int) -> np.ndarray:
    return 1000.0 + np.cumsum(np.round(rng.standard_t(3, rows) * 0.05, 5))


def flags(rng: np.random.Generator, rows: int) -> np.ndarray:
    return np.cumsum(rng.random(rows) < 0.03) % 2 == 1


def text(rng: np.random.Generator, values: Sequence[str], rows: int) -> Text:
    return Text(rng.integers(-1 if "" in values else 0, len(values), rows, np.int32), values)


def tape(seed: int, rows: int, *, gaps: bool = False) -> Window:
    """A window with every column that a shipped strategy reads."""
    rng = np.random.default_rng(seed)
    time = np.cumsum(rng.integers(1, 2 * DAY, rows))
    columns = {
        "rate": rates(rng, rows),
        "price": prices(rng, rows),
        "symbol": text(rng, ("USDC", "DAI", ""), rows),
        "frozen": flags(rng, rows),
        "origin": text(rng, ORIGINS, rows),
        "forecast": np.round(rng.uniform(0.0, 0.12, rows), 6),
        "confidence": np.round(rng.random(rows), 6),
    }
    if gaps:
        for name in ("rate", "price", "forecast"):
            columns[name][rng.random(rows) < 0.05] = np.nan
    return Window("pool", time, time, text(rng, TYPES, rows), columns)


def part(window: Window, start: int, stop: int) -> Window:
    """The rows from `start` to `stop`."""
    cut = slice(start, stop)
    columns = {
        name: column.cut(cut) if isinstance(column, Text) else column[cut]
        for name, column in window.columns.items()
    }
    kind = window.type if isinstance(window.type, str) else window.type.cut(cut)
    return Window(window.aggregate, window.time[cut], window.known_at[cut], kind, columns)


def in_events(strategy: Strategy, window: Window) -> tuple[Made, bytes]:
    """What is decided event by event, and the state at the end."""
    state = strategy.start(window.aggregate)
    made = event_by_event(strategy, state, window)
    return made, StateCodec(strategy.State).encode(state)


def in_windows(strategy: Strategy, window: Window, cuts: Sequence[int]) -> tuple[Made, bytes]:
    """What is decided window by window, the state being stored and restored between them."""
    codec = StateCodec(strategy.State)
    stored = codec.encode(strategy.start(window.aggregate))
    made: Made = []
    borders = sorted({0, len(window), *(cut for cut in cuts if cut < len(window))})
    for start, stop in pairwise(borders):
        state = codec.decode(stored)
        decided = strategy.on_window(state, part(window, start, stop))
        made.extend((start + row, decision) for row, decision in decided)
        stored = codec.encode(state)
    return made, stored
