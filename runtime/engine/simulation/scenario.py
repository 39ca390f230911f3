"""What a simulated run is like, and what befalls it: all of it from one integer."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from runtime.engine.autoscaler import ScalingPolicy
from runtime.engine.credit import CreditLimits
from runtime.engine.roster import Pooling

FAULTS = (
    "kill",
    "kill-in-snapshot",
    "kill-in-restore",
    "kill-in-reading",
    "crash",
    "zombie",
    "stop",
    "scale",
    "store-fails",
    "store-ambiguous",
    "store-slow",
    "disk-full",
    "feed-stalls",
    "time-leaps",
    "answer-lost",
    "answer-twice",
    "release",
    "cure",
    "upgrade",
    "upgrade-hangs",
    "upgrade-refused",
    "upgrade-unreadable",
    "upgrade-withdrawn",
)
"""What can befall a run.

`kill` a host (also while it takes a snapshot, restores state or reads what is left to it);
`crash` the whole process; `zombie`: another process takes the run over while the first goes on;
`stop` it in an orderly way and start it again; `scale` it; the store fails, or does what it is
told and fails to say so, or is slow, or its disk is full for long; a feed gives nothing for a
while; the clock leaps; a host's answer is lost, or comes twice; what is in quarantine is
released; the strategy is cured of what was poison to it; another edition of the strategy is to
take over, or cannot be loaded where it should, or never starts there, or cannot read the state
that is left to it, or is not wanted any more.
"""

ENDS = frozenset({"crash", "zombie", "stop", "disk-full"})
"""Faults after which another process goes on."""


@dataclass(frozen=True, slots=True)
class Fault:
    """At step `step`, `kind` befalls the run; `size` says how much or to whom."""

    step: int
    kind: str
    size: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """A run to simulate: its input, its limits, and its faults in order of their steps.

    `keys` is the aggregate of each observation, -1 for one that no agent listens to;
    on positions in `poison` the strategy raises, on `deadly` ones its host dies, until cured.
    `dropping` is the share of observations that a feed leaves out because it is too far behind.
    """

    seed: int
    keys: tuple[int, ...]
    stages: int
    pooling: Pooling
    limits: CreditLimits
    snapshot_events: int
    poison: frozenset[int]
    deadly: frozenset[int]
    scaling: ScalingPolicy | None
    faults: tuple[Fault, ...]
    dropping: float = 0.0

    def without(self, index: int) -> Scenario:
        """This scenario without one of its faults."""
        return replace(self, faults=self.faults[:index] + self.faults[index + 1 :])

    def cut(self, inputs: int) -> Scenario:
        """This scenario with only the first `inputs` observations."""
        poison = frozenset(at for at in self.poison if at < inputs)
        deadly = frozenset(at for at in self.deadly if at < inputs)
        return replace(self, keys=self.keys[:inputs], poison=poison, deadly=deadly)

    def describe(self) -> str:
        """One line a human can read."""
        befallen = ", ".join(f"{f.kind}({f.size})@{f.step}" for f in self.faults) or "nothing"
        pool, limits = self.pooling, self.limits
        return (
            f"seed {self.seed}: {len(self.keys)} observations of {len(set(self.keys))} aggregates,"
            f" {self.stages} stages, {pool.hosts} hosts and {pool.spares} spares,"
            f" credit {limits.events}, batch {limits.batch}, snapshot every"
            f" {self.snapshot_events}, {self.dropping:.0%} dropped,"
            f" poison at {sorted(self.poison)}, death at {sorted(self.deadly)};"
            f" befallen by {befallen}"
        )


_SCALING = ScalingPolicy(least=1, most=6, up_after=2.0, down_after=6.0)


def scenario(seed: int) -> Scenario:
    """The scenario of a seed."""
    rng = random.Random(seed)  # noqa: S311 (a schedule, not a secret)
    inputs = rng.choice((0, 1, 20, 40, 60, 80))
    kinds = rng.choice((1, 3, 8, 30))
    others = rng.choice((0, 0, kinds))
    steps = 40 + 4 * inputs
    count = rng.choice((0, 1, 2, 4, 8))
    faults = [
        Fault(rng.randrange(steps), rng.choice(FAULTS), rng.randrange(1, 9)) for _ in range(count)
    ]
    poisonous = inputs and rng.random() < 0.3
    if poisonous:
        kinds_of_end = ("crash", "stop", "release")
        faults += [Fault(rng.randrange(steps), kind, 1) for kind in kinds_of_end]
    poison = frozenset(rng.randrange(inputs) for _ in range(rng.randrange(1, 4)) if poisonous)
    lethal = inputs and rng.random() < 0.05
    deadly = frozenset(rng.randrange(inputs) for _ in range(rng.randrange(1, 3)) if lethal)
    return Scenario(
        seed=seed,
        poison=poison,
        deadly=deadly,
        scaling=_SCALING if rng.random() < 0.2 else None,
        keys=tuple(max(-1, rng.randrange(-others, kinds)) for _ in range(inputs)),
        stages=1 if poison or deadly else rng.choice((1, 1, 2)),
        pooling=Pooling(
            rng.choice((1, 1, 2, 3, 5)),
            rng.choice((0, 0, 1)),
            deadline=20.0,
            grace=rng.choice((3.0, 1000.0)),
        ),
        limits=CreditLimits(rng.choice((1, 6, 40, 400)), 10**6, rng.choice((1, 5, 30))),
        snapshot_events=rng.choice((1, 7, 25, 1000)),
        faults=tuple(sorted(faults, key=lambda fault: fault.step)),
        dropping=rng.choice((0.0, 0.0, 0.0, 0.3)),
    )
