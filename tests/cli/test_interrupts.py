"""Runs that are stopped from outside: they lose nothing, and go on to the same root."""

from __future__ import annotations

import os
import pty
import select
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from runtime.jobs.execution import Outcome
from tests.cli.conftest import Ended, Lucent
from tests.support.jobs import write_rates

DEADLINE = 60.0
PICKY = """
from dataclasses import dataclass
from runtime.deciding import Decision, Strategy


@dataclass(slots=True)
class State:
    pool: str = ""


class Picky(Strategy[State]):
    name = "picky"
    version = "1"
    State = State

    def start(self, aggregate):
        return State(aggregate)

    def on_event(self, state, event):
        if state.pool == "celo/usdc":
            raise RuntimeError("not this one")
        return Decision("hold", 0.5)
"""
PICKED = """
[run]
name = "picky"
pace = 3600.0
[store]
path = "elsewhere.db"
[keys]
demo = true
[hosts]
shell = "local"
[[feeds]]
name = "rates"
path = "rates.parquet"
event_type = "PoolRateObserved"
aggregate = ["pool"]
event_time = { column = "at", unit = "ns" }
columns = { rate = "rate" }
[[agents]]
name = "picky"
strategy = "picky:Picky"
listens = ["PoolRateObserved"]
"""


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "runtime.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_decisions(process: subprocess.Popen[str], store: Path, count: int) -> None:
    deadline = time.monotonic() + DEADLINE
    while process.poll() is None and time.monotonic() < deadline:
        if store.exists():
            with (
                suppress(sqlite3.Error),
                closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as reader,
            ):
                if reader.execute("SELECT count(*) FROM events").fetchone()[0] > count:
                    return
        time.sleep(0.01)
    raise AssertionError(f"no decisions in {store}: {process.communicate()}")


def ended(process: subprocess.Popen[str]) -> Ended:
    out, err = process.communicate(timeout=DEADLINE)
    return Ended(process.returncode, out, err)


def interrupt_and_resume(lucent: Lucent, store: Path, *shell: str) -> str:
    """The root of a demo that was interrupted once, and then resumed in the local shell."""
    process = start("demo", "--store", store.name, *shell)
    wait_for_decisions(process, store, 100)
    process.send_signal(signal.SIGINT)
    stopped = ended(process)
    assert stopped.code == 130, stopped
    where = ["On Ray at "] if "ray" in shell else []
    assert [line[:10] for line in stopped.err.splitlines()] == where
    assert "the run is not complete" in stopped.out
    assert f"\n  lucent demo --store {store.name} {' '.join(shell)}\n" in stopped.out
    verified = lucent("verify", store.name).out
    assert f"run aave-v3-daily: root {stopped.root}" in verified
    assert "run aave-v3-daily is not complete: it was stopped" in verified
    root = lucent("demo", "--store", store.name, "--shell", "local").root
    assert "not complete" not in lucent("verify", store.name).out
    return root


def test_ctrl_c_drains_and_the_same_command_resumes(
    lucent: Lucent, tmp_path: Path, demo: Outcome
) -> None:
    assert interrupt_and_resume(lucent, tmp_path / "log.db", "--shell", "local") == demo.root


def test_a_run_that_is_stopped_with_aggregates_in_quarantine_tells_both(
    lucent: Lucent, tmp_path: Path
) -> None:
    write_rates(tmp_path / "rates.parquet", hours=100)
    (tmp_path / "picky.py").write_text(PICKY, encoding="utf-8")
    (tmp_path / "a run.toml").write_text(PICKED, encoding="utf-8")
    process = start("run", "a run.toml", "--store", "log.db")
    wait_for_decisions(process, tmp_path / "log.db", 10)
    process.send_signal(signal.SIGINT)
    stopped = ended(process)
    assert stopped.code == 130, stopped
    assert "1 aggregate in quarantine" in stopped.out
    assert "\n  lucent run 'a run.toml' --store log.db\n" in stopped.out
    assert "celo/usdc" in lucent("quarantine", "list", "log.db").out


def test_a_killed_run_resumes(lucent: Lucent, tmp_path: Path, demo: Outcome) -> None:
    process = start("demo", "--shell", "local", "--store", "log.db")
    wait_for_decisions(process, tmp_path / "log.db", 500)
    process.kill()
    ended(process)
    assert "is not complete: it goes on, or was interrupted" in lucent("verify", "log.db").out
    assert lucent("demo", "--shell", "local", "--store", "log.db").root == demo.root


def test_a_second_ctrl_c_ends_at_once_and_loses_nothing(
    lucent: Lucent, tmp_path: Path, demo: Outcome
) -> None:
    process = start("demo", "--shell", "local", "--store", "log.db")
    wait_for_decisions(process, tmp_path / "log.db", 500)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    stopped = ended(process)
    assert stopped.code == 130, stopped
    assert "Traceback" not in stopped.err
    assert lucent("demo", "--shell", "local", "--store", "log.db").root == demo.root


@pytest.mark.parametrize("seconds", [0.05, 0.3, 0.6])
def test_ctrl_c_while_it_starts(seconds: float, tmp_path: Path) -> None:
    process = start("verify", str(tmp_path / "none.db"))
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    assert "runtime/cli" not in ended(process).err


def test_progress_is_shown_on_a_terminal_only(lucent: Lucent, small: Path) -> None:
    assert lucent("run", small.name, "--store", "quiet.db").err == ""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "runtime.cli", "run", small.name],
        stdout=subprocess.DEVNULL,
        stderr=slave,
        env=os.environ | {"TERM": "xterm"},
    )
    os.close(slave)
    shown = b""
    while select.select([master], [], [], DEADLINE)[0]:
        try:
            shown += os.read(master, 65536)
        except OSError:
            break
    os.close(master)
    assert process.wait() == 0
    assert b"480 of 480 events, 61 decisions" in shown


@pytest.mark.ray
def test_ctrl_c_on_ray_drains_and_the_local_shell_goes_on(
    lucent: Lucent, tmp_path: Path, demo: Outcome
) -> None:
    assert interrupt_and_resume(lucent, tmp_path / "log.db", "--shell", "ray") == demo.root
