"""A node of a Ray cluster is lost while a run goes on, with the host that was on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.laws.study import ROOT

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.ray
def test_a_node_that_is_lost_takes_nothing_with_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.chaos.nodes", str(tmp_path / "log.db")]
    ended = subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, timeout=240, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert f"{ROOT} True" in ended.stdout
