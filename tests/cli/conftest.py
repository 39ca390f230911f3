"""The `lucent` command, called in this process, in a directory of its own."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime.cli.main import main
from runtime.cli.running import DEMO
from runtime.jobs.config import load_config
from runtime.jobs.execution import Outcome
from runtime.jobs.launch import run
from tests.cli.samples import write_config, write_tape


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def root(self) -> str:
        """The root that it printed."""
        found = re.search(r"^root ([0-9a-f]{64})$", self.out, re.MULTILINE)
        assert found is not None, self
        return found[1]


Lucent = Callable[..., Ended]


@pytest.fixture
def lucent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Lucent:
    """Call `lucent` with arguments; the working directory is `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.delenv("LUCENT_PASSPHRASE", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["lucent", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capfd.readouterr()
        return Ended(int(ended.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A finished run of the demo."""
    config = load_config(DEMO).changed("hosts", shell="local")
    store = tmp_path_factory.mktemp("demo") / "demo.db"
    return run(config.changed("store", path=str(store)))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The config of a small run, beside its input."""
    write_tape(tmp_path)
    return write_config(tmp_path)


def told(ended: Ended, code: int = 2) -> str:
    """The one line an error is told in."""
    assert ended.code == code, ended
    lines = ended.err.splitlines()
    assert len(lines) == 1, ended
    assert "Traceback" not in ended.err
    return lines[0]
