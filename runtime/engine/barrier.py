"""A snapshot of a stage under way."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Barrier:
    """A snapshot under way: what it reflects, which groups, who has not answered.

    `moving` says that key groups are to move behind it.
    """

    number: int
    seq: int
    cursor: str
    moving: bool
    waiting: set[int] = field(default_factory=set)
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sealing:
    """A snapshot that a commit under way makes durable."""

    commit: int
    seq: int
    moving: bool
