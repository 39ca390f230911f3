"""Strategies and agents by name: those that installed packages register, or `module:NAME`."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from runtime.deciding import Agent, Strategy
from runtime.engine.plan import load, strategy_class
from runtime.errors import ConfigError, UnknownName

STRATEGIES = "lucent.strategies"
AGENTS = "lucent.agents"


def registered(group: str) -> dict[str, str]:
    """Name and `module:NAME` of all that is registered in an entry point group, sorted."""
    return dict(sorted((point.name, point.value) for point in entry_points(group=group)))


def find_strategy(name: str) -> tuple[str, type[Strategy[Any]]]:
    """The strategy of a registered name or `module:Class`, with its `module:Class`.

    Raises `UnknownName` or `ConfigError`. Modules in the working directory are found too.
    """
    reference = _reference(STRATEGIES, "strategy", name)
    return reference, strategy_class(reference)


def find_agent(name: str) -> Agent:
    """The agent of a registered name or `module:NAME`; raises as `find_strategy` does."""
    reference = _reference(AGENTS, "agent", name)
    agent: Agent = load("agent", reference, lambda found: isinstance(found, Agent))
    return agent


def look_in(directory: Path) -> None:
    """Let modules in a directory be found, behind all that are installed."""
    place = str(directory.absolute())
    if place not in sys.path:
        sys.path.append(place)


def _reference(group: str, what: str, name: str) -> str:
    if ":" in name:
        look_in(Path.cwd())
        module, _, attribute = name.partition(":")
        if not (module and attribute):
            raise ConfigError(f"{what} {name!r} is not like module:NAME")
        return name
    known = registered(group)
    if name not in known:
        raise UnknownName(what, name, known)
    return known[name]
