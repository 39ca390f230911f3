"""What the jump of a pool's rate is worth, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from runtime.deciding import Decision, Scalar
from strategies.edge import Edge, Track


@dataclass(slots=True)
class PoolTrack(Track):
    """What is kept of a pool: the track of its rate, its freeze, and the spike under watch.

    `watch` is for how many more observations a detected spike is watched, `fallen` the rate
    at or below which it has fallen back.
    """

    frozen: bool = False
    watch: int = 0
    fallen: float = 0.0


class Sight(NamedTuple):
    """One observation of a pool, with the rate before it; rates as fractions a year."""

    rate: float
    before: float
    symbol: str
    frozen: bool


class Judge:
    """Tells a yield worth taking from one that is not, by the rules of `EwmaZScore`.

    `min_apr` is the rate below which a jump is rejected, `patience` the number of observations
    for which a spike is watched; `thresholds` goes into every decision.
    """

    __slots__ = ("_min_apr", "_patience", "_thresholds")

    def __init__(self, min_apr: float, patience: int, thresholds: Mapping[str, Scalar]) -> None:
        self._min_apr = min_apr
        self._patience = patience
        self._thresholds = thresholds

    def judge(self, state: PoolTrack, sight: Sight, edge: Edge | None) -> Decision | None:
        """What is decided on an observation that is an edge, under watch, or turns the freeze.

        On any other there is nothing to decide and nothing to change.
        """
        froze = sight.frozen and not state.frozen
        state.frozen = sight.frozen
        if froze:
            state.watch = 0
            return self._reject("reject_frozen", "the pool is frozen", sight, edge)
        if self._faded(state, sight.rate):
            return self._reject("reject_faded", "the spike has fallen back", sight, edge)
        if edge is None or edge.z < 0.0:
            return None
        return self._jump(state, sight, edge)

    @staticmethod
    def _faded(state: PoolTrack, rate: float) -> bool:
        if not state.watch:
            return False
        faded = rate <= state.fallen
        state.watch = 0 if faded else state.watch - 1
        return faded

    def _jump(self, state: PoolTrack, sight: Sight, edge: Edge) -> Decision:
        if sight.frozen:
            return self._reject("reject_frozen", "the pool is frozen", sight, edge)
        if sight.rate < self._min_apr:
            return self._reject("reject_low", "the rate is low even after its rise", sight, edge)
        state.watch = self._patience
        state.fallen = (sight.before + sight.rate) / 2.0
        return Decision(
            "enter_position",
            confidence=edge.confidence,
            apr=round(sight.rate, 9),
            reason="the rate has risen by more than it usually changes",
            features=_seen(sight) | edge.features,
            thresholds=self._thresholds,
            type="YieldOpportunityDetected",
        )

    def _reject(self, action: str, reason: str, sight: Sight, edge: Edge | None) -> Decision:
        return Decision(
            action,
            confidence=edge.confidence if edge else 1.0,
            apr=round(sight.rate, 9),
            reason=reason,
            features=_seen(sight) | (edge.features if edge else {}),
            thresholds=self._thresholds,
            type="OpportunityRejected",
        )


def _seen(sight: Sight) -> dict[str, Scalar]:
    return {"rate": round(sight.rate, 9), "symbol": sight.symbol, "frozen": sight.frozen}
