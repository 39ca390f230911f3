"""How aggregates in quarantine go on."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from typing import NamedTuple

import typer

from runtime.cli.main import INTERRUPTED, PARKED
from runtime.cli.progress import followed
from runtime.cli.screen import printable, say
from runtime.engine.messages import ReleaseRequested
from runtime.engine.results import Who
from runtime.errors import ConfigError, RunConflict, RunMissing, StoreLocked
from runtime.jobs.config import RunConfig, load_config
from runtime.jobs.connection import connected
from runtime.jobs.journal import started_runs
from runtime.jobs.launch import prepare
from runtime.jobs.quarantine import all_parked, not_parked
from runtime.store import open_store, shown, typed

NOTHING = "nothing is in quarantine"


class Wanted(NamedTuple):
    """What of a run is to go on: these, or all (of an agent, if one is named)."""

    target: str
    those: list[Who] | None
    agent: str | None = None
    drop: bool = False

    def of(self, parked: Iterable[Who]) -> list[Who]:
        """Those among what is in quarantine; raises `RunMissing` for what is not."""
        there = sorted(parked)
        if self.those is None:
            found = [who for who in there if self.agent in (None, who.agent)]
            if there and not found:
                raise not_parked(Who(self.agent or "", ""), there)
            return found
        for who in self.those:
            if who not in there:
                raise not_parked(who, there)
        return self.those


def named(agent: str | None, aggregates: list[str] | None) -> list[Who]:
    """Aggregates of an agent, each once; raises `ConfigError` if there are none."""
    if agent is None or not aggregates:
        raise ConfigError("name an agent and its aggregates, or give --all")
    return [Who(agent, aggregate) for aggregate in dict.fromkeys(aggregates)]


def carry_on(wanted: Wanted, address: str) -> None:
    """Let aggregates go on: ask a run that goes on, or resume that of a config for it."""
    if wanted.target.endswith(".toml"):
        _release_in(load_config(wanted.target), wanted)
        return
    from runtime.jobs.remote import find_run  # noqa: PLC0415 (Ray takes a second to import)

    with connected(address):
        run = find_run(wanted.target)
        status = run.status()
        if not status.stages:
            raise RunConflict(f"run {run.run!r} has not begun yet: ask again")
        chosen = wanted.of(one for those in status.parked.values() for one in those)
        run.release(chosen, drop=wanted.drop)
    without = " without the event that it was parked at" if wanted.drop else ""
    for who in chosen:
        say(
            f"asked run {run.run} to let {printable(who.aggregate)} of {who.agent} go on{without},"
            " with the code that its hosts have loaded"
        )
    if not chosen:
        say(NOTHING)


def _release_in(config: RunConfig, wanted: Wanted) -> None:
    """Resume the run of a config for what is to go on."""
    with closing(open_store(config.store_place)) as store:
        if config.run.name not in {started.run for started in started_runs(store)}:
            raise RunMissing(f"{shown(config.store_place)} holds no run {config.run.name!r}")
        chosen = wanted.of(all_parked(store, config.run.name))
    if not chosen:
        say(NOTHING)
        return
    releases = tuple(ReleaseRequested(who, wanted.drop) for who in chosen)
    try:
        outcome = followed(replace(prepare(config), releases=releases))
    except StoreLocked as error:
        raise StoreLocked(
            f"{error}; if that is run {config.run.name!r} itself, going on on Ray, name it in"
            f" place of {wanted.target}"
        ) from None
    if outcome.parked:
        say(
            f"{outcome.parked:,} in quarantine still: lucent quarantine list {typed(outcome.store)}"
        )
    say(f"root {outcome.root}")
    if outcome.stopped:
        raise typer.Exit(INTERRUPTED)
    if outcome.parked:
        raise typer.Exit(PARKED)
