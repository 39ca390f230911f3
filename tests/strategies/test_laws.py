"""Every shipped strategy keeps the laws that a strategy has to keep."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.deciding import StateCodec, Strategy, Text, Window
from runtime.events import event_type
from strategies.forecast import RateForecast
from strategies.rotation import Rotation
from strategies.zscore import EwmaZScore, PriceZScore
from tests.strategies.tape import in_events, in_windows, part, tape

SHIPPED = [
    PriceZScore.configure({"warmup": 5, "alpha": 0.1, "threshold": 2.0}),
    PriceZScore.configure({"warmup": 1, "alpha": 0.5, "threshold": 1.0}),
    EwmaZScore.configure({"threshold": 1.5, "min_apr": 0.04}),
    EwmaZScore.configure({"patience": 0, "floor": 0.0, "alpha": 0.5, "warmup": 1}),
    RateForecast.configure({"refit": 5, "warmup": 25, "memory": 60, "step": 0.001}),
    Rotation.configure({"confirm": 1, "hold_days": 0.0, "max_pools": 3, "cost": 0.0005}),
    Rotation.configure({"max_age": 4.0, "bar_days": 2.0}),
]

shipped = pytest.mark.parametrize("strategy", SHIPPED, ids=lambda one: one.name)
seeds = st.integers(0, 2**32 - 1)
cuts = st.lists(st.integers(1, 399), max_size=12)


@shipped
@given(seed=seeds, cuts=cuts, gaps=st.booleans())
@settings(max_examples=40)
def test_windows_and_events_decide_the_same(strategy, seed, cuts, gaps):
    window = tape(seed, 400, gaps=gaps)
    assert in_windows(strategy, window, cuts) == in_events(strategy, window)


@shipped
def test_every_tape_is_decided_on(strategy):
    assert in_events(strategy, tape(1, 400))[0]


@shipped
@given(seed=seeds, every=st.integers(1, 40))
@settings(max_examples=15)
def test_a_restored_state_goes_on_the_same(strategy, seed, every):
    window = tape(seed, 200)
    assert in_windows(strategy, window, range(every, 200, every)) == in_events(strategy, window)


@shipped
@given(seed=seeds, other=seeds, now=st.integers(1, 199))
@settings(max_examples=25)
def test_the_future_changes_no_decision_before_it(strategy, seed, other, now):
    window, elsewhere = tape(seed, 200), tape(other, 200)
    changed = _joined(part(window, 0, now), part(elsewhere, now, 200))
    past = [made for made in in_windows(strategy, window, ())[0] if made[0] < now]
    assert [made for made in in_windows(strategy, changed, ())[0] if made[0] < now] == past


@shipped
def test_decisions_are_of_emitted_types_and_plain_values(strategy):
    for _, decision in in_windows(strategy, tape(3, 400), (100, 250))[0]:
        assert decision.type in strategy.emits
        assert 0.0 <= decision.confidence <= 1.0
        values = [*decision.features.values(), *decision.thresholds.values(), decision.confidence]
        assert {type(value) for value in values} <= {bool, int, float, str}
        assert all(np.isfinite(value) for value in values if isinstance(value, float))


@shipped
def test_an_empty_window_changes_nothing(strategy):
    window = tape(5, 100)
    state = strategy.start("pool")
    list(strategy.on_window(state, part(window, 0, 60)))
    codec = StateCodec(strategy.State)
    before = codec.encode(state)
    assert list(strategy.on_window(state, part(window, 60, 60))) == []
    assert codec.encode(state) == before


@shipped
def test_emitted_types_are_decided_ones(strategy: Strategy):
    assert all(event_type(name).decided for name in strategy.emits)


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_another_process_decides_the_same_bytes(hash_seed):
    script = (
        "from hashlib import sha256; import tests.strategies.test_laws as laws\n"
        "made = [laws.in_events(one, laws.tape(9, 300)) for one in laws.SHIPPED]\n"
        "print(sha256(repr(made).encode()).hexdigest())"
    )
    environment = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    made = [in_events(one, tape(9, 300)) for one in SHIPPED]
    assert ran.stdout.strip() == sha256(repr(made).encode()).hexdigest()


def test_importing_the_packages_imports_no_learning_library():
    script = "import sys, strategies, agents, agents.allocator; print('sklearn' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def _joined(first: Window, second: Window) -> Window:
    columns = {name: _stacked(first.columns[name], second.columns[name]) for name in first.columns}
    time = np.concatenate([first.time, second.time])
    return Window(first.aggregate, time, time, _stacked(first.type, second.type), columns)


def _stacked(first, second):
    if isinstance(first, Text):
        return Text(np.concatenate([first.codes, second.codes]), first.values)
    return np.concatenate([first, second])
