"""Law 3: a cause never yields the same decision twice, and none is lost, whatever dies.

Whole runs are killed with SIGKILL at random moments and started again until they end.
`LUCENT_SEED` repeats a schedule.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from runtime.jobs.verification import verify_store
from tests.laws.study import ROOT
from tests.support.seeds import seeded

CHECKOUT = Path(__file__).parents[2]
CODE = """
import sys
from pathlib import Path
from runtime import run
from tests.laws.study import arithmetic
shell, store, credit = sys.argv[1], Path(sys.argv[2]), {{"batch": {batch}, "events": 4096}}
print("begin", flush=True)
run(arithmetic(store, shell=shell, hosts={hosts}, credit=credit, snapshot_events=3000))
"""


def start(shell: str, store: Path, rng: random.Random) -> subprocess.Popen[str]:
    code = CODE.format(batch=rng.choice([64, 333, 1000]), hosts=rng.choice([1, 2, 3]))
    command = [sys.executable, "-c", code, shell, str(store)]
    return subprocess.Popen(
        command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def kill_all(process: subprocess.Popen[str]) -> None:
    """SIGKILL to the run and to everything it started, at once."""
    try:
        family = [*psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    for one in [psutil.Process(process.pid), *family] if process.poll() is None else family:
        try:
            one.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    process.wait()
    psutil.wait_procs(family, timeout=30)


def run_to_the_end(shell: str, store: Path, rng: random.Random, kills: int, reach: float) -> int:
    """Start and kill a run `kills` times, each at a moment up to `reach` seconds in; then let
    it end. Returns how often it was killed before its end.
    """
    killed = 0
    for _ in range(kills):
        with start(shell, store, rng) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.random() * reach)
            killed += process.poll() is None
            kill_all(process)
    with start(shell, store, rng) as process:
        assert process.wait(timeout=120) == 0
    return killed


@pytest.mark.parametrize("case", range(6))
def test_a_run_killed_at_random_moments_ends_as_if_nothing_had_happened(
    tmp_path: Path, case: int
) -> None:
    store = tmp_path / "log.db"
    killed = run_to_the_end("local", store, seeded(case), kills=4, reach=0.6)
    assert killed, "no moment fell into the run"
    verdict = verify_store(store)
    assert verdict.damages == ()
    assert verdict.roots == {"arithmetic": ROOT}


@pytest.mark.ray
def test_a_run_on_ray_killed_with_all_its_processes_ends_as_if_nothing_had_happened(
    tmp_path: Path,
) -> None:
    store = tmp_path / "log.db"
    run_to_the_end("ray", store, seeded(), kills=2, reach=12.0)
    verdict = verify_store(store)
    assert verdict.damages == ()
    assert verdict.roots == {"arithmetic": ROOT}
