"""The Python modules beside a config that a run imports, found without running them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from runtime.errors import ConfigError

LUCENT = ("agents", "runtime", "strategies")
"""Lucent's own packages, which every node of a cluster has."""


def modules_beside(base: Path, names: Iterable[str]) -> dict[str, Path]:
    """The source files under `base` of these modules and of all they import, by relative name.

    A module that Python finds elsewhere first (it is built in or installed) is left out, with
    what it imports. Raises `ConfigError` for a file that is not Python.
    """
    found: dict[str, Path] = {}
    seen: set[str] = set()
    wanted = [name for name in names if _is_here(base, name)]
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        parent = name.rpartition(".")[0]
        if parent:
            wanted.append(parent)
        for file in (
            base / name.replace(".", "/") / "__init__.py",
            base / f"{name.replace('.', '/')}.py",
        ):
            if file.is_file():
                found[file.relative_to(base).as_posix()] = file
                package = name if file.name == "__init__.py" else parent
                wanted += [one for one in _imported(file, package) if _is_here(base, one)]
                break
    return found


def _is_here(base: Path, name: str) -> bool:
    top = name.partition(".")[0]
    if not ((base / top).is_dir() or (base / f"{top}.py").is_file()):
        return False
    if top in sys.builtin_module_names or top in sys.stdlib_module_names:
        return False
    here = str(base.absolute())
    spec = PathFinder.find_spec(top, [place for place in sys.path if place not in ("", here)])
    return spec is None or (spec.origin is None and spec.loader is None)


def _imported(file: Path, package: str) -> Iterator[str]:
    """The names that a file imports; those after `from` may be modules or not."""
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{file} is not Python: {error}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")
            parts = above[: len(above) + 1 - node.level] if node.level else []
            stem = ".".join([*parts, node.module] if node.module else parts)
            yield stem
            yield from (f"{stem}.{alias.name}" for alias in node.names)
