from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.ewma import Decay

alphas = st.floats(1e-4, 0.5)
values = st.lists(st.floats(-1e9, 1e9), max_size=60)


def textbook(alpha: float, values: list[float]) -> list[float]:
    """The mean before each value."""
    means, mean = [], 0.0
    for value in values:
        means.append(mean)
        mean += alpha * (value - mean)
    return means


def by_step(decay: Decay, values: list[float]) -> tuple[list[float], float]:
    means, total = [], 0.0
    for count, value in enumerate(values):
        means.append(decay.mean(total, count))
        total = decay.step(total, count, value)
    return means, total


@given(alpha=alphas, values=values)
def test_the_mean_is_that_of_the_textbook(alpha, values):
    means, _ = Decay(alpha).run(0.0, 0, np.array(values))
    scale = max((abs(value) for value in values), default=0.0)
    assert means.tolist() == pytest.approx(textbook(alpha, values), rel=1e-9, abs=1e-9 * scale)


@pytest.mark.parametrize("alpha", [1e-9, 0.001, 0.02, 0.1, 0.3, 0.5])
def test_long_series_stay_within_the_range_of_doubles(alpha):
    series = np.random.default_rng(1).uniform(0.5, 1.5, 50_000) * 1e24
    means, total = Decay(alpha).run(0.0, 0, series)
    assert np.isfinite(total)
    assert means.tolist() == pytest.approx(textbook(alpha, series.tolist()), rel=1e-9)


@given(
    alpha=st.sampled_from([0.02, 0.1, 0.25, 0.5]),
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 5000), max_size=6),
)
@settings(max_examples=40)
def test_steps_and_runs_agree_to_the_bit(alpha, seed, cuts):
    decay = Decay(alpha)
    series = np.random.default_rng(seed).normal(0.0, 1.0, 5000)
    means, total, count = [], 0.0, 0
    for piece in np.split(series, sorted(cuts)):
        before, total = decay.run(total, count, piece)
        means.extend(before.tolist())
        count += len(piece)
    assert (means, total) == by_step(decay, series.tolist())


@pytest.mark.parametrize("alpha", [1e-12, 0.02, 0.1, 0.5])
def test_weights_stay_within_bounds(alpha):
    decay = Decay(alpha)
    assert decay.block in {2**n for n in range(13)}
    assert 1.0 <= max(decay.weights) < 1e100
