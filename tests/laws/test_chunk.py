"""Law 1: what a strategy decides does not depend on how its input is cut into windows."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.deciding import Decision, StateCodec, Strategy, Text, Window, event_by_event
from runtime.jobs.registry import STRATEGIES, find_strategy, registered
from strategies.zscore import PriceZScore

DAY = 86_400_000_000_000
KINDS = [find_strategy(name)[1] for name in registered(STRATEGIES)] + [PriceZScore]
TYPES = ["PositionCalculated", "YieldOpportunityDetected", "OpportunityRejected"]


def history(kind: type[Strategy[Any]], seed: int, rows: int) -> Window:
    """A year of made-up events with every input the strategy reads."""
    rng = np.random.default_rng(seed)
    walk = np.abs(0.03 + np.cumsum(rng.normal(0.0, 0.004, rows))) + (rng.random(rows) < 0.05) * 0.2
    columns: dict[str, Any] = {}
    for name, of in kind.inputs.items():
        if of is float:
            columns[name] = np.round(walk + 0.001 * len(columns), 6)
        elif of is bool:
            columns[name] = rng.random(rows) < 0.05
        else:
            columns[name] = Text(rng.integers(0, 3, rows).astype(np.int32), ("a", "b", "c"))
    time = np.arange(rows) * DAY
    types = Text(rng.integers(0, 3, rows).astype(np.int32), TYPES)
    return Window("USDC", time, time, types, columns)


def cut(window: Window, start: int, end: int) -> Window:
    rows = slice(start, end)
    columns = {
        name: column.cut(rows) if isinstance(column, Text) else column[rows]
        for name, column in window.columns.items()
    }
    assert isinstance(window.type, Text)
    time = window.time[rows]
    return Window(window.aggregate, time, time, window.type.cut(rows), columns)


def decide(strategy: Strategy[Any], window: Window, borders: list[int]) -> list[Any]:
    """Decisions by row, with the state taken down and put up again at each border."""
    codec = StateCodec(strategy.State)
    state = strategy.start(window.aggregate)
    decided: list[tuple[int, Decision]] = []
    for start, end in pairwise(borders):
        part = strategy.on_window(state, cut(window, start, end))
        decided += [(start + row, decision) for row, decision in part]
        state = codec.decode(codec.encode(state))
    return [(row, asdict(decision)) for row, decision in decided]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@given(data=st.data())
def test_windows_may_be_cut_anywhere(kind: type[Strategy[Any]], data: st.DataObject) -> None:
    rows = 220
    window = history(kind, data.draw(st.integers(0, 2**32)), rows)
    borders = data.draw(st.lists(st.integers(1, rows - 1), max_size=12, unique=True))
    strategy = kind.configure({})
    whole = decide(strategy, window, [0, rows])
    assert decide(strategy, window, [0, *sorted(borders), rows]) == whole


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("seed", range(8))
def test_event_and_window_forms_agree(kind: type[Strategy[Any]], seed: int) -> None:
    window, strategy = history(kind, seed, 400), kind.configure({})
    one, other = strategy.start("USDC"), strategy.start("USDC")
    by_event = event_by_event(strategy, one, window)
    by_window = list(strategy.on_window(other, window))
    assert by_event == by_window
    codec = StateCodec(strategy.State)
    assert codec.encode(one) == codec.encode(other)
    assert by_event, "the history made nothing to decide"
