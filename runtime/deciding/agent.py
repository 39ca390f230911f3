"""What agent authors write: a strategy put to work on some events, under a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Agent:
    """A strategy, its parameters, and what it listens to.

    `strategy` is a registered name or `module:Class`. `listens` names event types: either
    all observed by feeds, or all decided by other agents. `key` is the column whose value is
    the aggregate: events with the same value are decided in order, on one state; different
    values never wait for each other. `select` keeps only rows whose text column has one of
    the values. The name is also that of its signing key and of its streams.
    """

    name: str
    strategy: str
    listens: tuple[str, ...]
    key: str = "aggregate"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    select: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    description: str = ""
