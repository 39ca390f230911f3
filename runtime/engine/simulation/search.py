"""Simulating many seeds, and shrinking what fails to the shortest schedule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from runtime.engine.simulation.scenario import Scenario, scenario
from runtime.engine.simulation.world import breaks

CHUNK = 50
"""Seeds that a worker takes at a time."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A scenario that breaks a law, and what it broke."""

    scenario: Scenario
    why: str

    def __str__(self) -> str:
        return f"{self.why}\n  {self.scenario.describe()}"


@dataclass(slots=True)
class Report:
    """How many runs were simulated, what befell how many of them, and what broke."""

    runs: int = 0
    befallen: Counter[str] = field(default_factory=Counter)
    broken: list[Broken] = field(default_factory=list)


def check(seed: int) -> Broken | None:
    """Simulate the run of a seed; returns what it broke, shrunk to the shortest schedule."""
    plan = scenario(seed)
    why = breaks(plan)
    return None if why is None else _shrunk(Broken(plan, why))


def check_all(seeds: Sequence[int]) -> Report:
    """Simulate the runs of these seeds."""
    report = Report()
    for seed in seeds:
        report.runs += 1
        report.befallen.update({fault.kind for fault in scenario(seed).faults})
        broken = check(seed)
        if broken is not None:
            report.broken.append(broken)
    return report


def simulate(
    seeds: Sequence[int],
    spread: Callable[
        [Callable[[Sequence[int]], Report], Iterable[Sequence[int]]], Iterator[Report]
    ],
    progress: Callable[[Report], None] = lambda report: None,
) -> Report:
    """Simulate the runs of these seeds, `spread` over processes as `map` does.

    `progress` is told, again and again, how it stands.
    """
    total = Report()
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    for part in spread(check_all, chunks):
        total.runs += part.runs
        total.befallen.update(part.befallen)
        total.broken += part.broken
        progress(total)
    return total


def _shrunk(broken: Broken) -> Broken:
    """The same failure with fewer faults and less input, as long as any can be left out."""
    for index in reversed(range(len(broken.scenario.faults))):
        broken = _smaller(broken, broken.scenario.without(index))
    while len(broken.scenario.keys) > 1:
        smaller = _smaller(broken, broken.scenario.cut(len(broken.scenario.keys) // 2))
        if smaller is broken:
            break
        broken = smaller
    return broken


def _smaller(broken: Broken, plan: Scenario) -> Broken:
    why = breaks(plan)
    return broken if why is None else Broken(plan, why)
