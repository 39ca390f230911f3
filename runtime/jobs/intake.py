"""What each stage of a run takes in: history, the same at its own pace, or as it once was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass

from runtime.engine.cursor import read_stage_cursor
from runtime.engine.intake import recorded_intake
from runtime.engine.plan import RunPlan
from runtime.feeds import Feed, Live, Merge, Record, Recorded, Tape
from runtime.jobs.config import RunConfig
from runtime.store import EventStore, open_store


def open_feed(config: RunConfig) -> Merge:
    """The merged observations of a config."""
    return Merge([Tape(spec, config.base) for spec in config.feeds])


@dataclass(frozen=True, slots=True)
class Intake:
    """How the feeds of a run are read; `records` say what was dropped of them, by stage."""

    config: RunConfig
    records: Mapping[str, Record]

    def feed(self, stage: str, merge: Merge, wake: Callable[[], None]) -> Feed:
        """What a stage reads; `wake` is called when it has something again."""
        record = self.records.get(stage, Record())
        run = self.config.run
        if run.pace is not None and run.replay is None:
            bounds = {feed.name: feed.bound for feed in self.config.feeds}
            return Live(merge, run.pace, bounds, record, wake)
        return Recorded(merge, record) if self.config.lossy else merge


def plan_intake(
    config: RunConfig, plan: RunPlan, store: EventStore, cursors: Mapping[str, str]
) -> Intake:
    """How a run is to take its feeds in, by what its log and that of a replayed run say.

    `cursors` are those of the stages' snapshots.
    """
    if not config.lossy:
        return Intake(config, {})
    stages = [stage.name for stage in plan.stages if not stage.upstream]
    with ExitStack() as stack:
        source, whole = store, False
        if config.replay_place is not None:
            source = stack.enter_context(closing(open_store(config.replay_place)))
            whole = True
        records = {
            name: recorded_intake(
                source, plan.run, name, since=_position(cursors.get(name)), whole=whole
            )
            for name in stages
        }
    return Intake(config, records)


def _position(cursor: str | None) -> int:
    return 0 if cursor is None else read_stage_cursor(cursor)[0]
