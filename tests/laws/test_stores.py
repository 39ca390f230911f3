"""The same root on every store: a file, or a KurrentDB, whatever becomes of its connections.

`LUCENT_SEED` repeats a schedule.
"""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.events import run_stream
from runtime.jobs.config import RunConfig
from runtime.jobs.launch import run
from runtime.jobs.records import decisions
from runtime.jobs.verification import verify_store
from runtime.store import SqliteStore
from runtime.store.wire import Serving
from tests.laws.study import ROOT, arithmetic
from tests.support.cable import breaking
from tests.support.faulty import Faults, faulty
from tests.support.seeds import seeded
from tests.support.served import served

CHECKOUT = Path(__file__).parents[2]
CUTS, KILLS, FAULTS, KINDS = 100, 4, 60, 5
CODE = """
import sys
from pathlib import Path
from runtime import run
from tests.laws.test_stores import on
print("begin", flush=True)
run(on(sys.argv[1], Path(sys.argv[2]), snapshot_events=3000))
"""


def address(port: int) -> str:
    return f"esdb://localhost:{port}?tls=false"


def on(store: str, folder: Path, **changes: Any) -> RunConfig:
    """The run of the laws, on the store of that address."""
    return arithmetic(folder / "unused.db", **changes).changed("store", path=store)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Where a store is served."""
    with SqliteStore.open(tmp_path / "served.db") as store, served(store, Serving(port=0)) as at:
        yield at


def check(store: str, root: str) -> None:
    verdict = verify_store(store, root=root)
    assert verdict.damages == ()
    assert verdict.roots == {"arithmetic": ROOT}


def test_a_run_on_kurrentdb_ends_in_the_root_of_a_file(port: int, tmp_path: Path) -> None:
    outcome = run(on(address(port), tmp_path))
    assert (outcome.completed, outcome.root) == (True, ROOT)
    check(address(port), outcome.root)
    check(str(tmp_path / "served.db"), outcome.root)
    assert len(decisions(address(port))) == outcome.decisions
    again = run(on(address(port), tmp_path))
    assert (again.resumed, again.events, again.root) == (True, 0, ROOT)


def test_a_run_whose_own_stream_was_deleted_on_kurrentdb_is_judged(tmp_path: Path) -> None:
    with SqliteStore.open(tmp_path / "served.db") as store, served(store, Serving(port=0)) as port:
        outcome = run(on(address(port), tmp_path))
        store.delete(run_stream(outcome.run))
        verdict = verify_store(address(port))
    assert [damage.stream for damage in verdict.damages] == [run_stream(outcome.run)]


def test_a_hundred_lost_connections_leave_the_root_as_it_is(port: int, tmp_path: Path) -> None:
    rng = seeded()
    connections = itertools.count(1)

    def allowance() -> int | None:
        if cable.cuts >= CUTS:
            return None
        return 100_000 if next(connections) % 4 == 0 else rng.choice([300, 3_000, 10_000])

    with breaking(port, allowance) as cable:
        changes = {"snapshot_events": 3_000, "credit": {"batch": 64, "events": 512}}
        outcome = run(on(address(cable.port), tmp_path, **changes))
    assert (outcome.root, cable.cuts >= CUTS) == (ROOT, True), cable.cuts
    check(address(port), outcome.root)


def test_changes_of_leader_and_lost_answers_leave_the_root_as_it_is(tmp_path: Path) -> None:
    faults = Faults(seeded(), rate=0.2, left=FAULTS)
    with SqliteStore.open(tmp_path / "served.db") as store, faulty(store, faults) as place:
        outcome = run(on(place, tmp_path, snapshot_events=3_000))
        assert (outcome.root, len(faults.met)) == (ROOT, KINDS), faults.met
        check(place, outcome.root)


def test_a_run_that_is_killed_goes_on_where_the_server_says(port: int, tmp_path: Path) -> None:
    rng = seeded()
    for _ in range(KILLS):
        command = [sys.executable, "-c", CODE, address(port), str(tmp_path)]
        with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0.3, 1.5))
            process.send_signal(signal.SIGKILL)
    outcome = run(on(address(port), tmp_path, snapshot_events=3_000))
    assert outcome.root == ROOT
    check(address(port), outcome.root)
