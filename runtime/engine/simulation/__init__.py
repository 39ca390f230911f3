"""Whole runs in one thread under a seeded scheduler: any failure is one integer.

In the manner of FoundationDB's deterministic simulation (Zhou et al., SIGMOD 2021): the real
supervisor, ledger and store rules, with hosts, feeds, messages and the store simulated.
`python -m runtime.engine.simulation` runs it.
"""

from runtime.engine.simulation.laws import LawBroken
from runtime.engine.simulation.scenario import FAULTS, Fault, Scenario, scenario
from runtime.engine.simulation.search import Broken, Report, check, simulate
from runtime.engine.simulation.world import World, breaks

__all__ = [
    "FAULTS",
    "Broken",
    "Fault",
    "LawBroken",
    "Report",
    "Scenario",
    "World",
    "breaks",
    "check",
    "scenario",
    "simulate",
]
