"""Aggregates in quarantine, as the log has them: to look at, to try again, to resume with."""

from __future__ import annotations

import traceback
from base64 import b64decode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec
import pyarrow.compute as pc

from runtime.deciding import POISON, Decision, StateCodec
from runtime.engine.held import Standing, in_quarantine, quarantine_events
from runtime.engine.ipc import read_ipc
from runtime.engine.pen import Author
from runtime.engine.plan import RunPlan, strategy_class
from runtime.engine.results import Who
from runtime.engine.windows import read_rows
from runtime.errors import RunMissing, StreamNotFound
from runtime.events import (
    AggregateParked,
    EventsHeld,
    RecordedEvent,
    id_text,
    is_quarantine_stream,
    quarantine_stream,
    run_stream,
)
from runtime.identity import SigningKey
from runtime.jobs.journal import started_runs
from runtime.store import EventStore

MOST_KNOWN = 5
"""So many aggregates are named where another was asked for."""


@dataclass(frozen=True, slots=True)
class Case:
    """An aggregate in quarantine: how it stands, why, and how many events are held."""

    run: str
    standing: Standing
    parked: AggregateParked
    held: int


def author(plan: RunPlan, key: SigningKey) -> Author:
    """Who records what a run does with aggregates in quarantine."""
    stamps = {
        agent.name: {
            "strategy": agent.strategy,
            "version": strategy_class(agent.strategy).version,
            "parameters": dict(agent.parameters),
        }
        for agent in plan.agents
    }
    return Author(plan.run, plan.run_id, key.did, key.sign, stamps)


def cases(store: EventStore, run: str) -> list[Case]:
    """The aggregates of a run that are in quarantine, by agent and aggregate."""
    heads = (one for one in store.heads(f"{run_stream(run)}/") if is_quarantine_stream(one.stream))
    return [case for head in heads if (case := _case(store, run, head)) is not None]


def find_case(store: EventStore, who: Who) -> Case:
    """The case of an agent's aggregate, in whichever run; `RunMissing` if it is in none."""
    runs = [started.run for started in started_runs(store)]
    for run in runs:
        stream = quarantine_stream(run, *who)
        with suppress(StreamNotFound):
            for head in store.read_stream(stream, backwards=True, limit=1):
                if (case := _case(store, run, head)) is not None:
                    return case
    raise not_parked(who, (one for run in runs for one in all_parked(store, run)))


def all_parked(store: EventStore, run: str) -> Iterator[Who]:
    """The aggregates of a run that are in quarantine."""
    return (one.who for those in in_quarantine(store, run).values() for one in those)


def not_parked(who: Who, known: Iterable[Who]) -> RunMissing:
    """The error that an aggregate is not in quarantine, or none of an agent's is; `known` are."""
    there = ", ".join(" ".join(one) for one in islice(known, MOST_KNOWN)) or "nothing"
    which = f"aggregate {who.aggregate!r}" if who.aggregate else "no aggregate"
    is_not = "is not" if who.aggregate else "is"
    return RunMissing(
        f"{which} of agent {who.agent!r} {is_not} in quarantine; in quarantine: {there}"
    )


def _case(store: EventStore, run: str, head: RecordedEvent) -> Case | None:
    """The case that a quarantine stream, which ends with `head`, tells; None once it goes on."""
    standing = Standing.model_validate_json(head.data)
    if standing.parked_at is None:
        return None
    why: AggregateParked | None = None
    counted = 0  # older logs do not tell
    for event in quarantine_events(store, head.stream):
        if event.type == AggregateParked.__name__:
            why = AggregateParked.model_validate_json(event.data)
        elif event.type == EventsHeld.__name__ and not standing.held:
            rows = read_ipc(b64decode(EventsHeld.model_validate_json(event.data).rows))
            late = pc.greater_equal(rows.column("position"), standing.parked_at)
            counted += int(pc.sum(late).as_py() or 0)
    assert why is not None, f"{head.stream} does not begin with why it was parked"
    return Case(run, standing, why, standing.held or counted)


def parked_event(case: Case) -> dict[str, Any]:
    """The event a case was parked at, as its fields."""
    (row,) = read_ipc(b64decode(case.parked.row)).to_pylist()
    return {name: id_text(value) if name == "id" else value for name, value in row.items()}


def parked_state(case: Case) -> object:
    """The state before the event, as plain data; None if there was none or it is not known."""
    state = b64decode(case.parked.state)
    return msgspec.msgpack.decode(state) if state else None


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of the event on today's code: decisions, or what was raised."""

    version: str
    decisions: tuple[Decision, ...]
    error: str = ""
    trace: str = ""


def prove(case: Case) -> Proof:
    """Decide on the event of a case once more, with the strategy as it is installed now.

    Nothing is written, and what an event kills a host with kills this process too. Raises
    `ConfigError` if the strategy cannot be loaded any more, `StateInvalid` if the state of
    then does not fit it.
    """
    strategy = strategy_class(case.parked.strategy).configure(case.parked.parameters)
    stored = b64decode(case.parked.state)
    rows = read_rows(read_ipc(b64decode(case.parked.row)), strategy.inputs)
    ((_, window),) = rows.windows()
    codec = StateCodec(strategy.State)
    state = codec.decode(stored) if stored else None
    try:
        state = strategy.start(window.aggregate) if state is None else state
        decided = tuple(decision for _, decision in strategy.on_window(state, window))
    except POISON as error:
        trace = "".join(traceback.format_exception(error))
        return Proof(strategy.version, (), f"{type(error).__name__}: {error}", trace)
    return Proof(strategy.version, decided)
