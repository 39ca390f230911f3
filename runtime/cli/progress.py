"""The live progress of a run."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType

from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from runtime.cli.screen import errors, remark
from runtime.engine.supervisor import NEVER
from runtime.errors import LucentError
from runtime.feeds import row_count
from runtime.jobs.config import RunConfig
from runtime.jobs.control import Status
from runtime.jobs.execution import Job, Outcome
from runtime.jobs.launch import run_job


class RunProgress:
    """A bar of the observations taken in, what each stage has decided, and notes above it.

    Written to standard error, the bar only to a terminal.
    """

    def __init__(self, config: RunConfig) -> None:
        self._run, self._told = config.run.name, set[str]()
        self._total = _total(config)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[done]}"),
            TimeElapsedColumn(),
            console=errors,
            disable=not errors.is_terminal,
        )
        self._task = self._progress.add_task("starting", total=self._total, done="")

    def __enter__(self) -> RunProgress:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, status: Status) -> None:
        """Show how the run stands, and once where other processes find it."""
        if status.address:
            watch = f"to watch it: lucent status {self._run} --watch"
            self._tell(f"On Ray at {status.address}; {watch}")
        self.note(status.notes)
        positions = [s.position for s in status.stages.values() if s.position < NEVER]
        decisions = sum(stats.decisions for stats in status.stages.values())
        read = max(positions, default=0)
        of = "" if self._total is None else f" of {self._total:,}"
        self._progress.update(
            self._task,
            description=status.phase,
            completed=read,
            done=f"{read:,}{of} events, {decisions:,} decisions" if status.stages else "",
        )

    def note(self, notes: Iterable[str]) -> None:
        """Tell each note that was not told yet."""
        for note in notes:
            self._tell(note, "yellow")

    def _tell(self, text: str, style: str = "") -> None:
        if text not in self._told:
            self._told.add(text)
            remark(text, style)


def followed(job: Job) -> Outcome:
    """Carry a job out, with its progress and notes on standard error."""
    with RunProgress(job.config) as progress:
        outcome = run_job(job, progress.show)
        progress.note(outcome.notes)
    return outcome


def _total(config: RunConfig) -> int | None:
    try:
        counts = [row_count(feed) for feed in config.feeds]
    except LucentError:
        return None
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
