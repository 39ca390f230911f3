"""The public names of each room, and that importing one stays light."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import runtime

ROOMS = ["events", "identity", "deciding", "store", "feeds"]

PUBLIC = [
    "Agent",
    "Decision",
    "LucentError",
    "Outcome",
    "Parameters",
    "Query",
    "Strategy",
    "Window",
    "decisions",
    "explain",
    "load_config",
    "run",
    "verify_store",
]


def test_the_public_names_are_these() -> None:
    assert runtime.__all__ == PUBLIC
    assert all(getattr(runtime, name) is not None for name in PUBLIC)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = runtime.nothing


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_exports_its_names_sorted_and_all_of_them_exist(room: str) -> None:
    module = import_module(f"runtime.{room}")
    names = module.__all__
    constants = [name for name in names if name.isupper()]
    others = [name for name in names if not name.isupper()]
    classes = [name for name in others if name[0].isupper()]
    functions = [name for name in others if not name[0].isupper()]
    assert names == sorted(constants) + sorted(classes) + sorted(functions)
    assert all(hasattr(module, name) for name in names)


@pytest.mark.parametrize("package", ["runtime", "runtime.deciding", "strategies", "agents"])
def test_importing_it_pulls_in_nothing_heavy(package: str) -> None:
    code = (
        f"import sys, {package};"
        "print([m for m in ('ray', 'pyarrow', 'sklearn', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
