"""Thousands of whole runs under a seeded scheduler, each checked against every law.

`LUCENT_SEED` moves the first seed; `make simulate SEEDS=1000000` runs for a night.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from runtime.engine.simulation import FAULTS, LawBroken, World, check, scenario, simulate, world
from tests.simulation.mutations import MUTATIONS, Plant

RUNS = 10_000
FIRST = int(os.environ.get("LUCENT_SEED") or 0)
FOUND_WITHIN = 2_000


def test_whatever_befalls_a_run_its_log_ends_as_if_nothing_had_happened() -> None:
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        report = simulate(range(FIRST, FIRST + RUNS), pool.map)
    assert report.runs == RUNS
    assert not report.broken, "\n".join(map(str, report.broken))
    assert report.befallen.keys() == set(FAULTS), "every fault befell some run"


def test_a_seed_is_one_schedule() -> None:
    steps = [World(scenario(41)).run() for _ in range(3)]
    assert len(set(steps)) == 1


@pytest.mark.parametrize("plant", MUTATIONS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "PATIENCE", 5_000)
    plant(monkeypatch)
    found = next(why for seed in range(FOUND_WITHIN) if (why := world.breaks(scenario(seed))))
    assert not found.startswith(("TypeError", "AttributeError")), "the plant itself is broken"


def test_a_failure_is_shrunk_and_its_seed_replays_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plant = next(one for one in MUTATIONS if one.__name__ == "state_not_restored")
    plant(monkeypatch)
    seed, broken = next((s, b) for s in range(FOUND_WITHIN) if (b := check(s)) is not None)
    assert broken.scenario.seed == seed
    assert len(broken.scenario.faults) <= len(scenario(seed).faults)
    assert len(broken.scenario.keys) <= len(scenario(seed).keys)
    with pytest.raises(Exception, match=broken.why.partition(": ")[2][:20]):
        World(broken.scenario).run()
    assert f"seed {seed}" in str(broken)


def test_a_run_that_makes_no_progress_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "PATIENCE", 3)
    with pytest.raises(LawBroken, match="no end after 3 steps"):
        World(scenario(3)).run()
