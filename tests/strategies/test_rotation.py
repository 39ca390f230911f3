from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.deciding import Decision, event, event_by_event
from runtime.errors import ParameterInvalid
from strategies.portfolio import DAY, Portfolio
from strategies.rotation import Rotation
from tests.strategies.tape import tape

QUICK = {"confirm": 1, "hold_days": 0.0}


class Desk:
    """A portfolio that is told of pools, day by day."""

    def __init__(self, **parameters: float) -> None:
        self.strategy = Rotation.configure(parameters)
        self.state: Portfolio = self.strategy.start("USDC")

    def forecast(self, day: float, pool: str, rate: float) -> str:
        return self._hear(day, pool, "PositionCalculated", forecast=rate)

    def reject(self, day: float, pool: str, *, frozen: bool = False) -> str:
        return self._hear(day, pool, "OpportunityRejected", frozen=frozen)

    def detect(self, day: float, pool: str) -> str:
        return self._hear(day, pool, "YieldOpportunityDetected")

    def _hear(self, day: float, pool: str, kind: str, **known: float) -> str:
        fields = {"forecast": float("nan"), "confidence": 0.5, "frozen": False} | known
        heard = event(round(day * DAY), type=kind, origin=pool, **fields)
        decision = self.strategy.on_event(self.state, heard)
        assert decision is None or isinstance(decision, Decision)
        if decision is None:
            return ""
        return f"{decision.action} {decision.features['pool']}"


def test_the_first_good_pool_is_entered():
    desk = Desk()
    assert desk.forecast(0, "a", 0.005) == ""
    assert desk.forecast(0, "b", 0.04) == "enter_position b"
    assert desk.forecast(0, "b", 0.04) == ""


def test_a_move_has_to_pay_its_cost():
    desk = Desk(**QUICK, cost=0.001, horizon_days=36.5)
    desk.forecast(0, "a", 0.04)
    assert desk.forecast(1, "b", 0.05) == ""
    assert desk.forecast(1, "b", 0.0501) == "rotate b"


def test_an_advantage_has_to_last():
    desk = Desk(confirm=3, hold_days=0.0)
    desk.forecast(0, "a", 0.04)
    assert desk.forecast(1, "b", 0.08) == ""
    assert desk.forecast(2, "b", 0.08) == ""
    assert desk.forecast(3, "b", 0.08) == "rotate b"


def test_a_new_leader_begins_anew():
    desk = Desk(confirm=2, hold_days=0.0)
    desk.forecast(0, "a", 0.04)
    assert desk.forecast(1, "b", 0.08) == ""
    assert desk.forecast(2, "c", 0.09) == ""
    assert desk.forecast(3, "b", 0.08) == "rotate c"


def test_a_pool_is_held_for_some_days():
    desk = Desk(confirm=1, hold_days=5.0)
    desk.forecast(0, "a", 0.04)
    assert desk.forecast(1, "b", 0.08) == ""
    assert desk.forecast(5, "a", 0.04) == "rotate b"


def test_equal_pools_are_taken_by_name():
    desk = Desk(**QUICK)
    desk.forecast(0, "held", 0.02)
    desk.reject(0, "a")
    desk.reject(0, "b")
    desk.forecast(0, "b", 0.09)
    desk.forecast(0, "a", 0.09)
    assert desk.forecast(8, "held", 0.02) == "rotate a"


def test_a_frozen_pool_is_left_and_entered_again_only_when_it_stands_out():
    desk = Desk()
    desk.forecast(0, "a", 0.04)
    assert desk.reject(1, "a", frozen=True) == "exit_position a"
    assert desk.forecast(30, "a", 0.05) == ""
    assert desk.detect(31, "a") == "enter_position a"


def test_a_rejected_pool_is_barred_for_some_days_but_not_left():
    desk = Desk(**QUICK, bar_days=7.0)
    desk.forecast(0, "a", 0.04)
    assert desk.reject(1, "b") == ""
    assert desk.forecast(2, "b", 0.2) == ""
    assert desk.forecast(8, "b", 0.2) == "rotate b"
    assert desk.reject(9, "b") == ""


def test_a_stale_pool_is_left():
    desk = Desk(max_age=10.0)
    desk.forecast(0, "a", 0.04)
    assert desk.forecast(10, "b", 0.03) == ""
    assert desk.forecast(10.5, "b", 0.03) == "exit_position a"
    assert desk.forecast(11, "b", 0.03) == "enter_position b"


def test_a_pool_that_pays_too_little_is_left():
    desk = Desk()
    desk.forecast(0, "a", 0.04)
    assert desk.forecast(1, "a", 0.004) == "exit_position a"


def test_the_stalest_pool_is_forgotten_but_never_the_one_held():
    desk = Desk(max_pools=2)
    desk.forecast(0, "held", 0.05)
    for day, pool in enumerate("abc", start=1):
        desk.forecast(day, pool, 0.05)
    assert list(desk.state.pools) == ["held", "c"]


def test_a_calculation_without_a_forecast_is_passed_over():
    desk = Desk()
    assert desk.forecast(0, "a", float("nan")) == ""
    assert desk.state == Portfolio()


@given(seed=st.integers(0, 2**32 - 1))
def test_moves_follow_each_other(seed):
    strategy = Rotation.configure({**QUICK, "max_pools": 2})
    held = ""
    for _, decision in event_by_event(strategy, strategy.start("USDC"), tape(seed, 120)):
        pool = decision.features["pool"]
        if decision.action == "exit_position":
            assert pool == held
            held = ""
        else:
            assert decision.features.get("from_pool", "") == held != pool
            assert (decision.action == "enter_position") == (held == "")
            held = pool


@pytest.mark.parametrize(
    "wrong",
    [{"cost": -0.1}, {"horizon_days": 0.0}, {"confirm": 0}, {"max_pools": 1}, {"max_age": 0.0}],
)
def test_parameters_out_of_bounds_are_refused(wrong):
    with pytest.raises(ParameterInvalid, match=next(iter(wrong))):
        Rotation.configure(wrong)
