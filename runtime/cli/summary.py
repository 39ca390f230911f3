"""What a run came to, on one screen."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from runtime.cli.screen import output, plain, say, shortened, table
from runtime.jobs.config import RunConfig
from runtime.jobs.execution import Outcome
from runtime.jobs.records import Query, Tally, tally
from runtime.store import open_store, typed

BUSIEST = 5
STAGE_WIDTH = 27


def print_summary(outcome: Outcome, config: RunConfig) -> None:
    """Print tables of decisions and throughput, the root, and the commands to go on with."""
    place = config.store_place
    with closing(open_store(place)) as store:
        counted = tally(store, Query())
    if counted.last is None:
        say("No decision was made.")
    else:
        _print_decisions(counted)
        _print_busiest(counted)
    _print_run(outcome)
    _print_rejected(outcome)
    _print_root(outcome, demo=config.keys.demo)
    _print_next(place, counted)


def _print_decisions(counted: Tally) -> None:
    shown = table("Decisions", "agent", "type", "action", "count", right=("count",))
    for (agent, kind, action), count in sorted(counted.kinds.items()):
        shown.add_row(agent, kind, plain(action), plain(count))
    output.print(shown)


def _print_busiest(counted: Tally) -> None:
    shown = table("Busiest aggregates", "aggregate", "decisions", right=("decisions",))
    busiest = sorted(counted.aggregates.items(), key=lambda one: (-one[1], one[0]))
    for aggregate, count in busiest[:BUSIEST]:
        shown.add_row(aggregate, plain(count))
    output.print(shown)


def _print_run(outcome: Outcome) -> None:
    if not outcome.events:
        state = "the log holds the whole run already"
        if outcome.stopped:
            state = "stopped at once"
        elif outcome.parked:
            state = "the log holds all but what is in quarantine"
        say(f"\nNothing was read: {state}.")
        return
    right = ("events", "decided", "batches", "min", "mean", "max")
    title = f"Stages, on {_counted(outcome.hosts, 'host')}; events in a batch: min, mean, max"
    shown = table(title, "stage", *right, right=right)
    for name, stats in outcome.stages.items():
        sizes = stats.batches
        mean = sizes.total // sizes.count if sizes.count else 0
        numbers = (stats.events, stats.decisions, sizes.count, sizes.smallest, mean, sizes.largest)
        shown.add_row(shortened(name, STAGE_WIDTH), *map(plain, numbers))
    output.print(shown)
    rate = outcome.events / outcome.seconds
    say(f"\n{outcome.events:,} events read in {outcome.seconds:.1f} s: {rate:,.0f} events/s")
    for name, stats in outcome.stages.items():
        if stats.conflated or stats.rejected:
            dropped = f"{stats.conflated:,} events were conflated, {stats.rejected:,} rejected"
            say((f"stage {shortened(name, STAGE_WIDTH)} fell behind: {dropped}", "yellow"))


def _print_rejected(outcome: Outcome) -> None:
    report = outcome.rejected
    if not report.counts:
        return
    shown = table("Rows left out", "feed", "reason", "rows", right=("rows",))
    for (feed, reason), count in sorted(report.counts.items()):
        shown.add_row(feed, reason, plain(count))
    output.print(shown)
    say("")
    for row in report.rows[:BUSIEST]:
        say(f"  {plain(row)}")
    if (more := sum(report.counts.values()) - BUSIEST) > 0:
        say(f"  and {more:,} more")


def _print_root(outcome: Outcome, *, demo: bool) -> None:
    made = _counted(outcome.decisions, "decision")
    streams = _counted(outcome.streams, "stream")
    state = "complete" if outcome.completed else "not complete"
    say(("\nroot ", "bold"), outcome.root)
    say(f"     over {made} in {streams}; the run is {state}")
    say(f"     run {outcome.run}, id {outcome.run_id}")
    if demo:
        say("     signed with demo keys, which anyone can derive: proof without an author")


def _print_next(place: str | Path, counted: Tally) -> None:
    if isinstance(place, Path) and place.is_relative_to(Path.cwd()):
        place = place.relative_to(Path.cwd())
    name = typed(place)
    say("\nGo on with")
    say(f"  lucent verify {name}")
    if counted.last is not None:
        say(f"  lucent decisions {name} --limit 20")
        say(f"  lucent explain {counted.last} --store {name}")


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
