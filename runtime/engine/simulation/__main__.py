"""`python -m runtime.engine.simulation [--seeds N] [--first SEED] [--seed SEED]`."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from time import monotonic

from runtime.engine.simulation.scenario import scenario
from runtime.engine.simulation.search import Report, check, simulate


def _say(line: object) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> int:
    """Simulate runs; exit code 1 if one broke a law."""
    parser = argparse.ArgumentParser(description="Simulate whole runs, each from one integer.")
    parser.add_argument("--seeds", type=int, default=10_000, help="how many runs")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first")
    parser.add_argument("--seed", type=int, help="replay and shrink this one only")
    options = parser.parse_args()
    if options.seed is not None:
        _say(scenario(options.seed).describe())
        broken = check(options.seed)
        _say("no law is broken" if broken is None else f"shrunk to:\n  {broken}")
        return int(broken is not None)
    began = monotonic()

    def tell(report: Report) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{report.runs:,} runs, {len(report.broken)} broken\r")

    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        report = simulate(range(options.first, options.first + options.seeds), pool.map, tell)
    for broken in report.broken:
        _say(broken)
    befallen = ", ".join(f"{kind} {count:,}" for kind, count in report.befallen.most_common())
    _say(f"{report.runs:,} runs in {monotonic() - began:.0f} s, {len(report.broken)} broken")
    _say(f"befallen by: {befallen}")
    return int(bool(report.broken))


if __name__ == "__main__":
    sys.exit(main())
