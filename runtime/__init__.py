"""Lucent: a distributed runtime for yield-analysis agents. Same inputs, same log.

    >>> from runtime import decisions, run
    >>> outcome = run("rates.toml", shell="local")  # doctest: +SKIP
    >>> frame = decisions(outcome.store)  # doctest: +SKIP

Names are loaded when they are first asked for, so that importing one room does not pull in
the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.deciding import Agent, Decision, Parameters, Strategy, Window
    from runtime.errors import LucentError
    from runtime.jobs.config import load_config
    from runtime.jobs.execution import Outcome
    from runtime.jobs.explanation import explain
    from runtime.jobs.launch import run
    from runtime.jobs.records import Query, decisions
    from runtime.jobs.verification import verify_store

__all__ = [
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

_HOMES = {
    "Agent": "deciding",
    "Decision": "deciding",
    "LucentError": "errors",
    "Outcome": "jobs.execution",
    "Parameters": "deciding",
    "Query": "jobs.records",
    "Strategy": "deciding",
    "Window": "deciding",
    "decisions": "jobs.records",
    "explain": "jobs.explanation",
    "load_config": "jobs.config",
    "run": "jobs.launch",
    "verify_store": "jobs.verification",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'runtime' has no attribute {name!r}")
    return getattr(import_module(f"runtime.{_HOMES[name]}"), name)
