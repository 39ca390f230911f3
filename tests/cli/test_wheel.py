"""The wheel: it holds everything, and works without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = "agents/samples/aave-v3-daily"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a freshly built wheel."""
    dist = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", dist, ROOT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = dist.glob("*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(dist / "unpacked")
    return dist / "unpacked"


def installed(unpacked: Path, directory: Path, *arguments: str) -> str:
    """What a command prints with nothing but the wheel's files on the path."""
    code = f"import sys; sys.path = [p for p in sys.path if p != {str(ROOT)!r}]"
    code += "; from runtime.cli.main import main; import runtime"
    code += f"; assert runtime.__file__.startswith({str(unpacked)!r}), runtime.__file__; main()"
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_wheel_holds_data_licences_and_types(unpacked: Path) -> None:
    for name in ("aave_v3_daily.parquet", "demo.toml", "LICENSE", "SOURCE.md"):
        assert (unpacked / SAMPLE / name).stat().st_size > 0
    for package in ("runtime", "agents", "strategies"):
        assert (unpacked / package / "py.typed").exists()
    assert list(unpacked.glob("lucent-*.dist-info/licenses/LICENSE"))


def test_the_wheel_holds_every_module_and_nothing_else(unpacked: Path) -> None:
    packages = ("runtime", "agents", "strategies")
    there = {p.relative_to(ROOT) for name in packages for p in (ROOT / name).rglob("*.py")}
    assert {p.relative_to(unpacked) for p in unpacked.rglob("*.py")} == there
    tops = {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")}
    assert tops == set(packages)


def test_entry_points_are_declared(unpacked: Path) -> None:
    (file,) = unpacked.glob("lucent-*.dist-info/entry_points.txt")
    points = ConfigParser()
    points.read(file)
    assert points["console_scripts"]["lucent"] == "runtime.cli.main:main"
    assert set(points["lucent.strategies"]) == {"ewma-zscore", "rate-forecast", "rotation"}
    assert set(points["lucent.agents"]) == {"allocator", "rate-forecaster", "yield-scout"}


def test_it_works_without_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    assert installed(unpacked, tmp_path, "--version").startswith("lucent ")
    assert "my_idea.py" in installed(unpacked, tmp_path, "new", "strategy", "my-idea")
    assert "the run is complete" in installed(unpacked, tmp_path, "run", "my-idea.toml")
    assert "sound" in installed(unpacked, tmp_path, "verify", "my-idea.db")
    assert "yield-scout" in installed(unpacked, tmp_path, "agents")
