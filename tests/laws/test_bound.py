"""Law 6: what is unfinished follows the credit limits, not the speed of a source or sink."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from runtime.engine.committer import Committer
from runtime.jobs.launch import run
from tests.benchmarks.soak import soak
from tests.laws.study import arithmetic


@pytest.mark.parametrize("events", [1_000, 5_000])
def test_a_slow_log_holds_the_feed_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events: int
) -> None:
    write = Committer._written

    def slowly(self: Committer, commits: Any) -> Any:
        time.sleep(0.02)
        return write(self, commits)

    monkeypatch.setattr(Committer, "_written", slowly)
    outcome = run(arithmetic(tmp_path / "log.db", credit={"batch": 500, "events": events}))
    stats = outcome.stages["yield-scout"]
    assert stats.events == 41_256
    assert events // 2 <= stats.credit.peak_events <= events
    assert stats.credit.events == 0


def test_credit_in_bytes_bounds_too(tmp_path: Path) -> None:
    credit = {"batch": 4_096, "events": 65_536, "bytes": "100 kB"}
    stats = run(arithmetic(tmp_path / "log.db", credit=credit)).stages["yield-scout"]
    assert stats.credit.bytes == 0
    assert stats.batches.largest < 2_000
    assert stats.credit.peak_bytes < 200_000


def test_memory_stays_flat_while_the_log_is_ten_times_too_slow() -> None:
    """A short form of `make soak`: what Arrow holds does not grow."""
    memory, outcome = soak(10.0, events=1_000_000)
    warm = memory.arrow[len(memory.arrow) // 2 :]
    third = len(warm) // 3
    assert median(warm[-third:]) <= 1.05 * median(warm[:third])
    (stats,) = outcome.stages.values()
    assert stats.credit.peak_events <= 4_096
    assert stats.retained.peak_events <= 2 * 5_000 + 4_096
    assert not outcome.completed
