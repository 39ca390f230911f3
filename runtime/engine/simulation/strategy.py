"""The strategy of simulated runs: every decision tells all that was decided on before it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from runtime.engine.results import Sealed
from runtime.events import NewEvent

STAMPS = {
    f"s{number}": {"strategy": "simulated", "version": "1", "parameters": {}} for number in range(2)
}
"""What the strategies of simulated runs are said to be."""


Editions = Mapping[str, Sequence[int]]
"""By stage, from which position on each further edition decides, in order."""


class Died(Exception):
    """The host dies of an event."""


class Poisoned(Exception):
    """What the strategy raises on a poisonous event."""


@dataclass(slots=True)
class Cell:
    """State of an aggregate: its next revision, and a digest of all it has seen."""

    revision: int = 0
    digest: bytes = b""

    def decide(
        self, stage: str, aggregate: str, position: int, edition: int, *, poison: bool = False
    ) -> Sealed | None:
        """Take in an observation; decides on about every second one, in each edition on others.

        `poison`: raises `Poisoned`, and leaves the state in disorder.
        """
        text = b"%b %d %d" % (self.digest, position, edition)
        seen = blake2b(text, digest_size=8).digest()
        self.digest = seen
        if poison:
            raise Poisoned(f"cannot decide on position {position}")
        if seen[0] & 1:
            return None
        stream = f"agent-{stage}/{aggregate}"
        name = blake2b(f"{stream} {position}".encode(), digest_size=16).digest()
        event = NewEvent(name, "Decided", seen, b"%d" % position)
        decided = Sealed(stream, self.revision, event)
        self.revision += 1
        return decided


def later_key(aggregate: str) -> str:
    """The aggregate of a second stage that a decision on `aggregate` belongs to."""
    return f"group-{int(aggregate.partition('-')[2]) % 3}"


def edition_at(editions: Editions, stage: str, position: int) -> int:
    """The edition of a stage that decides on a position."""
    return bisect_right(editions.get(stage, ()), position)


def expected(keys: tuple[int, ...], stages: int, editions: Editions) -> list[Sealed]:
    """What a run must decide, in the order of positions: a plain loop over its input."""
    inputs = [(f"key-{key}", position) for position, key in enumerate(keys) if key >= 0]
    decided: list[Sealed] = []
    for stage in range(stages):
        cells: dict[str, Cell] = {}
        made = []
        for aggregate, position in inputs:
            cell = cells.setdefault(aggregate, Cell())
            edition = edition_at(editions, f"s{stage}", position)
            one = cell.decide(f"s{stage}", aggregate, position, edition)
            if one is not None:
                made.append((aggregate, position, one))
        decided += [one for _, _, one in made]
        inputs = [(later_key(aggregate), position) for aggregate, position, _ in made]
    return decided
