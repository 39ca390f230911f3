from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Lucent, told


def printed_commands(text: str) -> list[list[str]]:
    return [line.split() for line in text.partition("Try it with\n")[2].splitlines()]


@pytest.mark.parametrize("place", [[], ["--in", "sub"]])
def test_a_new_strategy_passes_its_test_and_runs(lucent: Lucent, place: list[str]) -> None:
    name = "my-idea" if not place else "other-idea"
    made = lucent("new", "strategy", name, *place)
    assert made.code == 0
    (_, *test), (_, *run) = printed_commands(made.out)
    tested = subprocess.run(
        [sys.executable, *test, "-q"], capture_output=True, text=True, check=False
    )
    assert "2 passed" in tested.stdout, tested.stdout
    ran = lucent(*run)
    assert ran.code == 0
    assert "41,256 events read" in ran.out
    assert "exists already" in told(lucent("new", "strategy", name, *place))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("My Idea", "is not a name like 'my-strategy'"),
        ("../up", "is not a name like"),
        ("class", "'class' is a module or a word of Python"),
        ("json", "'json' is a module or a word of Python"),
        ("numpy", "'numpy' is a module or a word of Python"),
    ],
)
def test_names_that_no_strategy_can_have(
    lucent: Lucent, tmp_path: Path, name: str, words: str
) -> None:
    assert words in told(lucent("new", "strategy", name))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(lucent: Lucent, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot write" in told(lucent("new", "strategy", "some-idea", "--in", "file"))
    assert "cannot write" in told(lucent("schemas", "--out", "file"))


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_listings_fit_and_name_everything(
    lucent: Lucent, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for command, names in {
        "strategies": ["ewma-zscore", "rate-forecast", "rotation", "alpha = 0.1"],
        "agents": ["yield-scout", "rate-forecaster", "allocator", "OpportunityRejected"],
    }.items():
        shown = lucent(command)
        assert shown.code == 0
        assert all(name in shown.out for name in names)
        assert max(map(len, shown.out.splitlines())) <= columns


def test_schemas_are_json(lucent: Lucent, tmp_path: Path) -> None:
    known = json.loads(lucent("schemas").out)
    assert "PoolRateObserved" in known
    assert lucent("schemas", "--out", "all").code == 0
    assert {path.name for path in (tmp_path / "all").iterdir()} == {
        f"{name}.schema.json" for name in known
    }


@pytest.mark.parametrize(
    "command",
    [
        "",
        "demo",
        "run",
        "decisions",
        "explain",
        "verify",
        "strategies",
        "agents",
        "schemas",
        "new strategy",
        "keys create",
        "keys show",
        "keys export",
    ],
)
def test_every_command_has_help(lucent: Lucent, command: str) -> None:
    shown = lucent(*command.split(), "--help")
    assert shown.code == 0
    assert f"Usage: lucent {command}" in shown.out


def test_the_version_is_shown(lucent: Lucent) -> None:
    assert lucent("--version").out == "lucent 0.1.0\n"


def test_an_error_of_lucents_own_is_one_line_too(
    lucent: Lucent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.cli.authoring.registered", lambda group: 1 / 0)
    line = told(lucent("agents"), 70)
    assert line.startswith("InternalError: ZeroDivisionError")
    assert "LUCENT_TRACEBACK=1" in line
    monkeypatch.setenv("LUCENT_TRACEBACK", "1")
    assert "ZeroDivisionError" in lucent("agents").err
