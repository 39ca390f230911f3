"""What a stage is, and where it goes on."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.engine.quarantine import InQuarantine


@dataclass(frozen=True, slots=True)
class StageSpec:
    """A stage: its name, the stages whose decisions it takes in, where it goes on.

    `upstream` is empty for a stage that takes in observations. `position` is the watermark
    of its last checkpoint: all it decided on causes before it is in the log. `cursor` is that
    of the snapshot the store has of it, "" if it has none; `parked` are aggregates in
    quarantine. `agents` decide in it. A batch is asked for when there is room for `block`
    events.
    """

    name: str
    upstream: tuple[str, ...] = ()
    position: int = 0
    parked: tuple[InQuarantine, ...] = ()
    cursor: str = ""
    agents: tuple[str, ...] = ()
    block: int = 1
