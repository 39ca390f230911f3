"""What is wrong with a config, in the words of who wrote it."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError


def told_mistakes(error: ValidationError, *section: str) -> str:
    """What is wrong with each setting; a list is not called too short for its bad entries."""
    found = [(*section, *one["loc"]) for one in error.errors()]
    return "; ".join(
        _wrong(where, one)
        for where, one in zip(found, error.errors(), strict=True)
        if not (one["type"] == "too_short" and any(w[: len(where)] == where != w for w in found))
    )


def _wrong(where: tuple[int | str, ...], error: Any) -> str:
    name = _setting(where)
    match error["type"]:
        case "missing":
            return f"{name} is missing"
        case "tuple_type" if where in {("feeds",), ("agents",)}:
            return f"{name} must be a list of tables: write [[{where[0]}]]"
        case "too_short":
            return f"{name} is empty: declare at least one"
        case "model_type":
            return f"{name} must be a table: write [{where[0]}]"
    said = error["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
    said = said.replace("a valid tuple", "a list")
    given = error["input"]
    return f"{name} = {given!r}: {said}" if isinstance(given, str | int | float) else said


def _setting(where: tuple[int | str, ...]) -> str:
    """What a user calls a setting: `[hosts] count`, or `[[feeds]] number 2: policy`."""
    if not where:
        return "the config"
    first, rest = where[0], [str(part) for part in where[1:]]
    if not rest:
        return f"[{first}]" if first in {"run", "store"} else f"[[{first}]]"
    if isinstance(where[1], int):
        place = f"[[{first}]] number {where[1] + 1}"
        return f"{place}: {'.'.join(rest[1:])}" if rest[1:] else place
    return f"[{first}] {'.'.join(rest)}"
