"""What a check of a store file found, and how much of it is told. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

MOST_FINDINGS = 100
"""Findings that are told of one store; the others are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not sound: where, and in words.

    `place` is a stream, a snapshot, a checkpoint or a part of the file; `position` is that
    of an event in the log, -1 if it is not about one.

    >>> str(Finding("agent-a/x", "event 7 follows event 5", 31))
    'agent-a/x (position 31): event 7 follows event 5'
    """

    place: str
    detail: str
    position: int = -1

    def __str__(self) -> str:
        at = "" if self.position < 0 else f" (position {self.position})"
        return f"{self.place}{at}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was checked, and what of it is not sound; `more`: findings left out of `findings`."""

    schema: int
    events: int
    scavenged: int
    streams: int
    position: int
    findings: tuple[Finding, ...]
    more: int

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


@dataclass(slots=True)
class Findings:
    """Gathers findings up to `MOST_FINDINGS`, and counts the others."""

    told: list[Finding] = field(default_factory=list)
    more: int = 0

    def add(self, found: Iterable[Finding]) -> None:
        """Take the findings of one check."""
        for finding in found:
            if len(self.told) < MOST_FINDINGS:
                self.told.append(finding)
            else:
                self.more += 1
