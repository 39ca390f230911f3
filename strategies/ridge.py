"""A ridge regression over the recent past of one series, as declared data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import Ridge

from strategies.ewma import Floats

LOOKBACK = 14
"""Values that the features of one moment are made of, its own among them."""

_MEANS = (3, 7, LOOKBACK)
_DECIMALS = 9
_FAR = 3.0
_WILD = 2.0


@dataclass(slots=True)
class Model:
    """A fitted regression of the change ahead on standardised features.

    A feature counts as at most 3 deviations from its mean. All numbers are rounded to 9
    decimals: what a linear-algebra library does to the last bits of a double does not reach
    a forecast. `pairs` is how many pairs it was fitted on.
    """

    intercept: float
    coefficients: list[float]
    means: list[float]
    scales: list[float]
    pairs: int

    def change(self, features: list[float]) -> float:
        """The change ahead, given the features of one moment; summed in their order."""
        total = self.intercept
        for feature, mean, scale, coefficient in zip(
            features, self.means, self.scales, self.coefficients, strict=True
        ):
            total += min(max((feature - mean) / scale, -_FAR), _FAR) * coefficient
        return total


def features(values: Floats) -> Floats:
    """The features of each moment that has `LOOKBACK` values behind it, oldest first.

    `values` has shape (n,), the result (n - LOOKBACK + 1, 7): the value, its last three
    changes, and how far it lies above its means over 3, 7 and 14 values.

    >>> features(np.arange(15.0)).tolist()[1]
    [14.0, 1.0, 1.0, 1.0, 1.0, 3.0, 6.5]
    """
    rows = len(values) - LOOKBACK + 1
    lags = [values[LOOKBACK - 1 - lag : LOOKBACK - 1 - lag + rows] for lag in range(LOOKBACK)]
    columns = [lags[0], *(lags[lag] - lags[lag + 1] for lag in range(3))]
    total = np.zeros(rows)
    for lag, column in enumerate(lags, start=1):
        total = total + column
        if lag in _MEANS:
            columns.append(lags[0] - total / lag)
    return np.column_stack(columns)


def fit(values: Floats, horizon: int, penalty: float) -> Model:
    """The regression of `values[t + horizon] - values[t]` on the features of t.

    `values` has shape (n,), n >= LOOKBACK + horizon, and is all that is known: a pair enters
    once its target was observed. `penalty` is the weight of the squared coefficients, per pair.
    A target beyond twice the mean absolute target counts as that: one spike does not make a
    rule.
    """
    known = features(values[:-horizon])
    targets = values[LOOKBACK - 1 + horizon :] - values[LOOKBACK - 1 : -horizon]
    wild = _WILD * np.abs(targets).mean()
    means = np.round(known.mean(axis=0), _DECIMALS)
    scales = np.round(known.std(axis=0), _DECIMALS)
    scales[scales == 0.0] = 1.0
    ridge = Ridge(alpha=penalty * len(targets), solver="cholesky")
    scaled = np.clip((known - means) / scales, -_FAR, _FAR)
    ridge.fit(scaled, np.clip(targets, -wild, wild))
    return Model(
        round(float(ridge.intercept_), _DECIMALS),
        np.round(ridge.coef_, _DECIMALS).tolist(),
        means.tolist(),
        scales.tolist(),
        len(targets),
    )
