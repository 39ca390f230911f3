"""What the README shows works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from typer.core import TyperGroup
from typer.main import get_command

from runtime.cli.command import app
from runtime.cli.template import strategy_files
from runtime.deciding import event
from runtime.feeds import TapeSpec
from runtime.feeds.spec import ColumnSpec, TimeColumn
from runtime.jobs.config import (
    AgentConfig,
    AutoscaleConfig,
    CreditConfig,
    HostsConfig,
    KeysConfig,
    RunSection,
    StoreConfig,
)

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


SETTINGS: dict[str, type[BaseModel]] = {
    "`[run]`": RunSection,
    "`[store]`": StoreConfig,
    "`[keys]`": KeysConfig,
    "`[hosts]`": HostsConfig,
    "`[autoscale]`": AutoscaleConfig,
    "`[credit]`": CreditConfig,
    "`[[feeds]]`": TapeSpec,
    "a time": TimeColumn,
    "a field, `columns.rate`": ColumnSpec,
    "`[[agents]]`": AgentConfig,
}


@pytest.mark.parametrize("section", SETTINGS)
def test_every_setting_is_listed_and_no_other(section: str) -> None:
    (row,) = re.findall(rf"^\| {re.escape(section)} \| (.*) \|$", README, re.MULTILINE)
    named = set(re.findall(r"`([a-z_]+)`", row))
    assert named == set(SETTINGS[section].model_fields)


def test_the_strategy_it_shows_decides() -> None:
    names: dict[str, Any] = {}
    exec(compile(BLOCKS[0], "README.md", "exec", dont_inherit=True), names)
    strategy = names["Crossing"].configure({})
    state = strategy.start("pool")
    decided = [strategy.on_event(state, event(0, rate=rate)) for rate in (0.01, 0.06, 0.07, 0.02)]
    assert [one and one.action for one in decided] == [
        None,
        "enter_position",
        None,
        "exit_position",
    ]


def test_the_notebook_lines_it_shows_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, text in strategy_files("crossing").items():
        (tmp_path / path).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    names: dict[str, Any] = {}
    exec(compile(BLOCKS[1], "README.md", "exec", dont_inherit=True), names)
    assert len(names["frame"]) == names["outcome"].decisions > 100


def test_every_command_it_names_exists() -> None:
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    named = set(re.findall(r"`(?:\.venv/bin/)?lucent ([a-z]+)", README))
    assert named <= set(root.commands)
    assert set(root.commands) <= named


def test_every_make_target_it_names_exists() -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"\bmake ([a-z]+)\b", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
