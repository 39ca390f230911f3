from __future__ import annotations

import numpy as np
import pytest

from runtime.deciding import Decision, event
from runtime.errors import ParameterInvalid
from strategies.forecast import PoolMemory, RateForecast
from strategies.ridge import LOOKBACK, features, fit


def told(rates: list[float], **parameters: float) -> list[tuple[int, Decision]]:
    """Row and decision of what the forecaster tells of a pool."""
    strategy = RateForecast.configure(parameters)
    state = strategy.start("pool")
    made = []
    for row, rate in enumerate(rates):
        decision = strategy.on_event(state, event(row, rate=rate, symbol="DAI"))
        made.extend([(row, decision)] if decision else [])
    return made


def returning(rows: int) -> np.ndarray:
    """A rate that returns to 5 % and wanders around it."""
    rng = np.random.default_rng(2)
    rates = np.empty(rows)
    rates[0] = 0.05
    for row in range(1, rows):
        rates[row] = 0.05 + 0.6 * (rates[row - 1] - 0.05) + rng.normal(0.0, 0.004)
    return rates


def test_a_still_rate_is_told_after_warmup_and_then_renewed():
    made = told([0.05] * 101, warmup=40, renew=30)
    assert [(row, decision.reason) for row, decision in made] == [
        (39, "the first forecast"),
        (69, "the forecast still holds"),
        (99, "the forecast still holds"),
    ]
    assert {decision.apr for _, decision in made} == {0.05}
    assert made[-1][1].features["error"] == 0.0


def test_nothing_is_renewed_where_that_is_off():
    assert [row for row, _ in told([0.05] * 200, warmup=40, renew=0)] == [39]


def test_dust_is_never_told():
    assert told([0.0, 0.0001] * 100) == []


def test_each_told_forecast_has_moved_by_a_step():
    made = told(returning(400).tolist(), renew=0, step=0.005)
    forecasts = [0.0, *(decision.apr for _, decision in made)]
    assert len(made) > 5
    assert min(np.abs(np.diff(forecasts))) >= 0.005 - 1e-9


def test_forecasts_of_a_returning_rate_beat_its_last_value():
    rates = returning(600)
    strategy = RateForecast.configure({"horizon": 5})
    state = strategy.start("pool")
    misses = []
    for row, rate in enumerate(rates[:-5].tolist()):
        strategy.on_event(state, event(row, rate=rate, symbol=""))
        if state.model:
            ahead = rates[row + 5]
            misses.append((abs(state.pending[-1] - ahead), abs(rate - ahead)))
    ours, naive = np.mean(misses, axis=0)
    assert ours < 0.9 * naive


def test_forecasts_stay_within_what_was_seen_and_on_their_grid():
    rates = np.clip(returning(300), 0.0, None)
    rates[150:] += np.linspace(0.0, 0.5, 150)
    for row, decision in told(rates.tolist(), memory=60):
        assert rates[max(0, row - 59) : row + 1].min() - 1e-6 <= decision.apr
        assert decision.apr <= rates[: row + 1].max() + 1e-6
        assert decision.apr == round(decision.apr, 6)


def test_state_is_bounded():
    strategy = RateForecast.configure({"memory": 50, "horizon": 3})
    state: PoolMemory = strategy.start("pool")
    for row, rate in enumerate(returning(300).tolist()):
        strategy.on_event(state, event(row, rate=rate, symbol=""))
    assert len(state.rates) == 50
    assert len(state.pending) == 3
    assert state.scored == 300 - 39 - 3


def test_a_fit_reads_every_pair_whose_target_is_known_and_no_other():
    rates = returning(60)
    model = fit(rates, 7, 1.0)
    assert model.pairs == 60 - LOOKBACK + 1 - 7
    changed = rates.copy()
    changed[-1] += 0.01
    assert fit(changed, 7, 1.0) != model
    assert fit(changed[:-1], 7, 1.0) == fit(rates[:-1], 7, 1.0)


def test_features_of_a_moment_do_not_depend_on_how_much_lies_before():
    rates = returning(80)
    for row in range(LOOKBACK, 80):
        alone = features(rates[row - LOOKBACK + 1 : row + 1])
        assert alone.tolist() == [features(rates)[row - LOOKBACK + 1].tolist()]


@pytest.mark.parametrize(
    "wrong",
    [
        {"warmup": 20},
        {"memory": 30},
        {"horizon": 0},
        {"refit": 0},
        {"penalty": 0.0},
        {"step": 0.0},
        {"renew": -1},
    ],
)
def test_parameters_out_of_bounds_are_refused(wrong):
    with pytest.raises(ParameterInvalid, match=next(iter(wrong))):
        RateForecast.configure(wrong)
