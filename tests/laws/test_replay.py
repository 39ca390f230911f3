"""Laws 1 and 4: same inputs, same log, however the work is cut up and wherever it is done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runtime.jobs.launch import run
from runtime.jobs.records import decisions
from runtime.jobs.verification import verify_store
from tests.laws.study import ROOT, arithmetic, shipped

CHECKOUT = Path(__file__).parents[2]


def test_plain_arithmetic_has_one_root_on_every_machine(tmp_path: Path) -> None:
    outcome = run(arithmetic(tmp_path / "log.db"))
    assert outcome.root == ROOT
    assert verify_store(outcome.store).roots == {"arithmetic": ROOT}


@pytest.mark.parametrize("hosts", [1, 2, 3, 8])
def test_the_number_of_hosts_leaves_no_trace(tmp_path: Path, hosts: int) -> None:
    assert run(arithmetic(tmp_path / "log.db", hosts=hosts)).root == ROOT


@pytest.mark.parametrize(
    ("batch", "events"), [(1, 16), (7, 40), (256, 256), (65_536, 65_536), (1024, 1)]
)
def test_the_size_of_batches_and_credit_leaves_no_trace(
    tmp_path: Path, batch: int, events: int
) -> None:
    feed = {"select": {"network": ["base"]}} if min(batch, events) < 256 else {}
    credit = {"batch": batch, "events": events}
    reference = run(arithmetic(tmp_path / "reference.db", feed=feed)).root
    outcome = run(arithmetic(tmp_path / "log.db", credit=credit, feed=feed))
    assert outcome.root == reference
    assert max(s.batches.largest for s in outcome.stages.values()) <= max(batch, 64)


def test_event_and_window_forms_have_one_root(tmp_path: Path) -> None:
    assert run(arithmetic(tmp_path / "log.db", form="event")).root == ROOT


@pytest.mark.parametrize("seed", ["0", "1", "4242", "random"])
def test_the_hash_seed_of_the_process_leaves_no_trace(tmp_path: Path, seed: str) -> None:
    code = (
        "from pathlib import Path; from runtime import run;"
        "from tests.laws.study import arithmetic, shipped;"
        f"print(run(arithmetic(Path({str(tmp_path)!r}) / 'a.db')).root);"
        f"print(run(shipped(Path({str(tmp_path)!r}) / 'b.db', shell='local')).root)"
    )
    environment = os.environ | {"PYTHONHASHSEED": seed}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[0] == ROOT
    assert done.stdout.split()[1] == run(shipped(tmp_path / "c.db", shell="local")).root


@pytest.mark.ray
@pytest.mark.parametrize("hosts", [1, 2, 3, 8])
def test_ray_and_the_local_shell_have_one_root(
    tmp_path: Path, ray_session: None, hosts: int
) -> None:
    assert run(arithmetic(tmp_path / "log.db", shell="ray", hosts=hosts)).root == ROOT


@pytest.mark.ray
def test_models_decide_the_same_on_ray_and_in_one_process(
    tmp_path: Path, ray_session: None
) -> None:
    local = run(shipped(tmp_path / "local.db", shell="local", count=3))
    on_ray = run(shipped(tmp_path / "ray.db", shell="ray", count=2))
    assert (on_ray.root, on_ray.decisions) == (local.root, local.decisions)
    assert local.decisions > 100


def test_a_run_that_is_complete_is_not_run_again(tmp_path: Path) -> None:
    first = run(arithmetic(tmp_path / "log.db"))
    again = run(arithmetic(tmp_path / "log.db", hosts=3))
    assert (again.root, again.resumed, again.completed) == (first.root, True, True)
    assert again.events == 0


def test_other_aggregates_in_the_input_leave_no_trace(tmp_path: Path) -> None:
    def decided(**feed: Any) -> list[tuple[Any, ...]]:
        store = tmp_path / f"{len(feed)}.db"
        frame = decisions(run(arithmetic(store, feed=feed)).store)
        rows = frame[["agent", "aggregate", "time", "action", "features"]]
        return sorted(rows.itertuples(index=False, name=None))

    fewer = decided(select={"network": ["base", "celo"]})
    whole = set(decided())
    assert [row for row in fewer if row[0] == "yield-scout" and row not in whole] == []
