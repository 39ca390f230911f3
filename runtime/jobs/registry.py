"""Strategies and agents by name: those that installed packages register, or `module:NAME`."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from runtime.deciding import Agent, Strategy
from runtime.engine.plan import strategy_class
from runtime.errors import ConfigError, UnknownName

STRATEGIES = "lucent.strategies"
AGENTS = "lucent.agents"


def registered(group: str) -> dict[str, str]:
    """Name and `module:NAME` of all that is registered in an entry point group, sorted."""
    return dict(sorted((point.name, point.value) for point in entry_points(group=group)))


def find_strategy(name: str) -> tuple[str, type[Strategy[Any]]]:
    """The strategy of a registered name or `module:Class`, with its `module:Class`.

    Raises `UnknownName` or `ConfigError`. Modules beside the user, in the working directory,
    are found too.
    """
    reference = _reference(STRATEGIES, "strategy", name)
    return reference, strategy_class(reference)


def find_agent(name: str) -> Agent:
    """The agent of a registered name or `module:NAME`."""
    module, _, attribute = _reference(AGENTS, "agent", name).partition(":")
    try:
        agent = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"cannot load agent {name!r}: {error}") from error
    if not isinstance(agent, Agent):
        raise ConfigError(f"{name!r} is not an Agent")
    return agent


def _reference(group: str, what: str, name: str) -> str:
    if ":" in name:
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.append(here)
        return name
    known = registered(group)
    if name not in known:
        raise UnknownName(what, name, known)
    return known[name]
