"""What a run came to, on one screen."""

from __future__ import annotations

from pathlib import Path

from runtime.cli.screen import output, plain, table
from runtime.jobs.config import RunConfig
from runtime.jobs.execution import Outcome
from runtime.jobs.records import Query, Tally, tally
from runtime.store import SqliteStore

BUSIEST = 5


def print_summary(outcome: Outcome, config: RunConfig) -> None:
    """Print tables of decisions and throughput, the root, and the commands to go on with."""
    path = config.store_path
    with SqliteStore.open(path, writer=False) as store:
        counted = tally(store, Query())
    _print_decisions(counted)
    _print_busiest(counted)
    _print_run(outcome)
    _print_rejected(outcome)
    state = "complete" if outcome.completed else "not complete"
    output.print(f"\n[bold]root[/bold] {outcome.root}", soft_wrap=True)
    output.print(
        f"     over {outcome.decisions:,} decisions in {outcome.streams:,} streams;"
        f" run {outcome.run} {outcome.run_id} is {state}"
    )
    if config.keys.demo:
        output.print("     signed with demo keys, which anyone can derive: proof without an author")
    _print_next(path, counted)


def _print_decisions(counted: Tally) -> None:
    shown = table("Decisions", "agent", "type", "action", "count", right=("count",))
    for (agent, kind, action), count in sorted(counted.kinds.items()):
        shown.add_row(agent, kind, action, plain(count))
    output.print(shown)


def _print_busiest(counted: Tally) -> None:
    shown = table("Busiest aggregates", "aggregate", "decisions", right=("decisions",))
    busiest = sorted(counted.aggregates.items(), key=lambda one: (-one[1], one[0]))
    for aggregate, count in busiest[:BUSIEST]:
        shown.add_row(aggregate, plain(count))
    output.print(shown)


def _print_run(outcome: Outcome) -> None:
    right = ("events", "decided", "batches", "smallest", "mean", "largest", "peak credit")
    columns = ("stage", *right)
    shown = table(f"Stages, on {outcome.hosts} hosts", *columns, right=right)
    for name, stats in outcome.stages.items():
        sizes = stats.batches
        mean = sizes.total // sizes.count if sizes.count else 0
        numbers = (stats.events, stats.decisions, sizes.count, sizes.smallest, mean, sizes.largest)
        shown.add_row(name, *map(plain, numbers), plain(stats.credit.peak_events))
    output.print(shown)
    if outcome.events:
        rate = outcome.events / outcome.seconds
        output.print(
            f"{outcome.events:,} events read in {outcome.seconds:.1f} s: {rate:,.0f} events/s"
        )
    else:
        output.print("Nothing was left to do: the log holds the whole run already.")


def _print_rejected(outcome: Outcome) -> None:
    report = outcome.rejected
    if not report.counts:
        return
    shown = table("Rows that could not be used", "feed", "reason", "rows", right=("rows",))
    for (feed, reason), count in sorted(report.counts.items()):
        shown.add_row(feed, reason, plain(count))
    output.print(shown)
    for row in report.rows[:BUSIEST]:
        output.print(f"  {row}", markup=False)


def _print_next(path: Path, counted: Tally) -> None:
    shown = path
    if path.is_relative_to(Path.cwd()):
        shown = path.relative_to(Path.cwd())
    output.print("\nGo on with")
    output.print(f"  lucent verify {shown}", soft_wrap=True)
    output.print(f"  lucent decisions {shown} --limit 20", soft_wrap=True)
    if counted.last is not None:
        output.print(f"  lucent explain {counted.last} --store {shown}", soft_wrap=True)
