"""`lucent quarantine`: aggregates that could not be decided on, and how they go on."""

from __future__ import annotations

import json
import shlex
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from runtime.cli.inspecting import StorePath
from runtime.cli.releasing import Wanted, carry_on, named
from runtime.cli.screen import plain, printable, say, shortened
from runtime.cli.steering import Address
from runtime.engine.results import Who
from runtime.errors import ConfigError
from runtime.jobs.config import load_config
from runtime.jobs.connection import AUTO
from runtime.jobs.journal import started_runs
from runtime.jobs.quarantine import (
    Case,
    cases,
    find_case,
    parked_event,
    parked_state,
    prove,
)
from runtime.jobs.registry import look_in
from runtime.store import EventStore, is_address, open_store

ERROR_WIDTH = 200

quarantine = typer.Typer(
    name="quarantine",
    help="Aggregates that an agent could not decide on: what is held, why, and how they go on.",
    no_args_is_help=True,
)
Agent = Annotated[str, typer.Argument(help="The agent.")]
Aggregate = Annotated[str, typer.Argument(help="The aggregate.")]
Aggregates = Annotated[
    list[str] | None, typer.Argument(metavar="[AGGREGATE]...", help="The aggregates.")
]
Everything = Annotated[
    bool, typer.Option("--all", help="All that are in quarantine, of AGENT if it is given.")
]
Target = Annotated[
    str, typer.Argument(help="The config of the run; or its name, if it is going on on Ray.")
]


@quarantine.command("list")
def list_(store: StorePath) -> None:
    """List the aggregates in quarantine: agent and aggregate, as other commands take them."""
    with closing(_opened(store)) as opened:
        found = [case for run in started_runs(opened) for case in cases(opened, run.run)]
    for case in found:
        at = case.standing
        say((at.agent, "bold"), " ", (shlex.quote(printable(at.aggregate)), "bold"))
        say(f"  run {case.run}, position {at.parked_at}; {case.held:,} events are held")
        say("  ", (shortened(printable(case.parked.error), ERROR_WIDTH), "red"))
    say(f"{len(found):,} aggregate{'' if len(found) == 1 else 's'} in quarantine")


@quarantine.command()
def show(store: StorePath, agent: Agent, aggregate: Aggregate) -> None:
    """Show a case: the event, the state before it, what was raised, by which code."""
    case = _case(store, agent, aggregate)
    parked = case.parked
    say(f"{agent} cannot decide on {aggregate}: ", (printable(parked.error), "red"))
    say(f"run        {case.run}, stage {case.standing.stage}")
    say(f"position   {case.standing.parked_at}; {case.held:,} events are held")
    tries, left = case.standing.tries, case.standing.tries_left
    if tries or left:
        say(f"retries    {tries} of {tries + left} made")
    parameters = json.dumps(parked.parameters, sort_keys=True)
    say(f"strategy   {parked.strategy}, version {parked.version}, parameters {parameters}")
    say(f"event      {json.dumps(parked_event(case), default=str)}")
    say(f"state      {json.dumps(parked_state(case), default=str)}")
    if parked.trace:
        say(f"\n{parked.trace.rstrip()}")


@quarantine.command("prove")
def prove_(store: StorePath, agent: Agent, aggregate: Aggregate) -> None:
    """Decide on the event once more, with the code as it is now; nothing is written.

    The exit code is 1 if it raises again.
    """
    look_in(Path() if is_address(store) else Path(store).absolute().parent)
    proof = prove(_case(store, agent, aggregate))
    if proof.error:
        say((f"raises {printable(proof.error)}", "red"), f" (version {proof.version})")
        say(f"\n{proof.trace.rstrip()}")
        raise typer.Exit(1)
    count = len(proof.decisions)
    say(f"version {proof.version} decides: {count} decision{'' if count == 1 else 's'}")
    for decision in proof.decisions:
        say(f"  {decision.action}, confidence {plain(decision.confidence)}: {decision.reason}")


@quarantine.command()
def release(
    target: Target,
    agent: Annotated[str | None, typer.Argument(help="The agent.")] = None,
    aggregates: Aggregates = None,
    everything: Everything = False,  # noqa: FBT002 (an option)
    address: Address = AUTO,
) -> None:
    """Let aggregates go on with all that is held of them, in order.

    What raises again is parked again. Of a config, the run is resumed for it; the exit code is 3
    if any are in quarantine then.
    """
    if everything and aggregates:
        raise ConfigError("--all: name no aggregates with it")
    those = None if everything else named(agent, aggregates)
    carry_on(Wanted(target, those, agent), address)


@quarantine.command()
def drop(
    target: Target,
    agent: Agent,
    aggregates: Annotated[
        list[str], typer.Argument(metavar="AGGREGATE...", help="The aggregates.")
    ],
    address: Address = AUTO,
) -> None:
    """Let aggregates go on, each without the event that it was parked at.

    Exit codes are those of release.
    """
    carry_on(Wanted(target, named(agent, aggregates), drop=True), address)


def _case(store: str, agent: str, aggregate: str) -> Case:
    with closing(_opened(store)) as opened:
        return find_case(opened, Who(agent, aggregate))


def _opened(store: str) -> EventStore:
    """The store of that place, or that of a config."""
    return open_store(load_config(store).store_place if store.endswith(".toml") else store)
