"""A strategy's file that is edited between two starts of a run is told, and stops nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Lucent
from tests.cli.test_quarantine import CONFIG, HERE
from tests.support.jobs import write_rates

MINE = """
from pathlib import Path

from tests.support.strategies import Watch


class Mine(Watch):
    def on_event(self, state, event):
        if event.symbol == "USDC" and Path("sick").exists():
            raise RuntimeError("not today")
        return super().on_event(state, event)
"""
TOLD = "the file of 'edited_here:Mine' was edited since: agent 'moody' goes on with it"


@pytest.fixture
def edited(lucent: Lucent) -> Lucent:
    """The command, where a run has left an aggregate in quarantine and its file was edited."""
    write_rates(Path("rates.parquet"))
    mine = Path("edited_here.py")
    mine.write_text(MINE, encoding="utf-8")
    config = CONFIG.replace(f"{HERE}:Moody", "edited_here:Mine")
    Path("mine.toml").write_text(config, encoding="utf-8")
    Path("sick").touch()
    assert lucent("run", "mine.toml").code == 3
    Path("sick").unlink()
    mine.write_text(MINE + "# mended\n", encoding="utf-8")
    return lucent


def test_it_is_told_where_a_release_goes_on(edited: Lucent) -> None:
    released = edited("quarantine", "release", "mine.toml", "--all")
    assert released.code == 0
    assert TOLD in released.err
    assert "agent moody went on with another file of its strategy" in edited("verify", "log.db").out


def test_nobody_who_hears_it_is_no_reason_to_stop(edited: Lucent) -> None:
    command = f"{sys.executable} -m runtime.cli run mine.toml 2>/dev/full"
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(command, shell=True, check=False, env={**os.environ, **path})
    assert ended.returncode == 3
    assert "not complete: it was stopped, or left" in edited("verify", "log.db").out
