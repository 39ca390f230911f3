from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.engine.autoscaler import Autoscaler, ScalingPolicy
from runtime.errors import ConfigError

POLICY = ScalingPolicy(least=2, most=10, high=0.8, low=0.2, up_after=5.0, down_after=20.0)


def hosts_over(loads: list[tuple[float, float]], hosts: int, policy: ScalingPolicy = POLICY) -> int:
    scaler = Autoscaler(policy)
    for now, load in loads:
        hosts = scaler.observe(now, load, hosts) or hosts
    return hosts


def test_a_load_that_stays_high_brings_half_as_many_hosts_more():
    assert hosts_over([(0, 0.9), (4.9, 0.9)], 4) == 4
    assert hosts_over([(0, 0.9), (5, 0.9)], 4) == 6
    assert hosts_over([(0, 0.9), (5, 0.9), (9.9, 0.9)], 4) == 6
    assert hosts_over([(0, 0.9), (5, 0.9), (10, 0.9)], 4) == 9


def test_a_load_that_stays_low_takes_hosts_away_one_by_one():
    assert hosts_over([(0, 0.1), (20, 0.1)], 4) == 3
    assert hosts_over([(at, 0.0) for at in range(0, 200, 5)], 9) == 2


def test_a_load_that_swings_changes_nothing():
    assert hosts_over([(at, at / 2 % 2) for at in range(100)], 4) == 4
    assert hosts_over([(at, 0.5) for at in range(100)], 4) == 4


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 1)), max_size=60), st.integers(1, 20))
def test_the_bounds_hold_whatever_the_load(steps: list[tuple[float, float]], hosts: int):
    scaler, now = Autoscaler(POLICY), 0.0
    for passed, load in steps:
        now += passed
        wanted = scaler.observe(now, load, hosts)
        assert wanted is None or POLICY.least <= wanted <= POLICY.most
        hosts = wanted or hosts


@pytest.mark.parametrize(
    "wrong",
    [{"least": 0}, {"least": 3, "most": 2}, {"low": 0.9, "high": 0.8}, {"high": 1.5}],
)
def test_bounds_that_contradict_each_other_are_refused(wrong: dict[str, float]):
    with pytest.raises(ConfigError, match=r"autoscale\."):
        ScalingPolicy(**wrong)  # type: ignore[arg-type]
