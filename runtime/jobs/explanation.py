"""Why a decision was made: what was seen, by what rule, from which causes, and is it proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.errors import ConfigError, EventNotFound, FeedError
from runtime.events import (
    RecordedEvent,
    RunStarted,
    envelope,
    parse_id,
    read_metadata,
    split_decision_stream,
)
from runtime.feeds import TapeSpec, content_digest, observation
from runtime.identity import Damage, Trust, check_stream
from runtime.jobs.journal import started_runs
from runtime.store import EventStore, SqliteStore


@dataclass(frozen=True, slots=True)
class Origin:
    """The observation a chain of causes ends in: the feed's name, the row, and its values.

    `values` is None where the input is not at hand or is not the one the run read;
    `missing` then says why.
    """

    feed: str
    row: int
    values: dict[str, Any] | None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything behind a decision.

    `causes` are the exported envelopes from this decision back to the first one;
    `damages` holds the first damage of each stream among them, up to the event in question.
    """

    decision: dict[str, Any]
    agent: dict[str, Any]
    causes: tuple[dict[str, Any], ...]
    origin: Origin
    damages: tuple[Damage, ...]


def explain(path: str | Path, event_id: str) -> Explanation:
    """Explain a decision of a store; raises `EventNotFound` or `StoreError` leaves."""
    try:
        wanted = parse_id(event_id)
    except ValueError:
        raise EventNotFound(
            f"{event_id!r} is not an event id: it looks like"
            " 8a7e4b3c-5c1a-5c0b-8b57-96e2b8a8f9d5; see 'lucent decisions'"
        ) from None
    with SqliteStore.open(Path(path), writer=False) as store:
        event = store.find(wanted)
        chain = _chain(store, event)
        runs = started_runs(store)
        run = _run_of(event, runs)
        first = read_metadata(chain[-1].metadata)
        return Explanation(
            decision=envelope(event),
            agent=_agent_of(event, run),
            causes=tuple(envelope(one) for one in chain[1:]),
            origin=_origin(run, str(first["source"]), int(first["row"])),
            damages=_damages(store, chain, runs),
        )


def _chain(store: EventStore, event: RecordedEvent) -> list[RecordedEvent]:
    """The decision, the decision behind it, and so on."""
    chain = [event]
    while True:
        fields = read_metadata(chain[-1].metadata)
        if not str(fields["source"]).startswith("agent-"):
            return chain
        chain.append(store.find(parse_id(fields["$causationId"])))


def _run_of(event: RecordedEvent, runs: Sequence[RunStarted]) -> RunStarted:
    run_id = read_metadata(event.metadata)["$correlationId"]
    for run in runs:
        if run.run_id == run_id:
            return run
    raise EventNotFound(f"the store does not hold the start of run {run_id}")


def _agent_of(event: RecordedEvent, run: RunStarted) -> dict[str, Any]:
    try:
        name = split_decision_stream(event.stream)[0]
    except ValueError:
        raise EventNotFound(
            f"{event.stream} holds no decisions, but what a run records of itself"
        ) from None
    return next((agent for agent in run.agents if agent["name"] == name), {"name": name})


def _damages(
    store: EventStore, chain: Sequence[RecordedEvent], runs: Sequence[RunStarted]
) -> tuple[Damage, ...]:
    agents = {agent["name"]: agent["did"] for run in runs for agent in run.agents}
    ids = {agent["name"]: run.run_id for run in runs for agent in run.agents}
    trust = Trust(agents, {}, ids)
    found = (
        check_stream(store.read_stream(one.stream, limit=one.revision + 1), one.stream, trust)
        for one in chain
    )
    return tuple(damage for damage in found if damage is not None)


def _origin(run: RunStarted, feed: str, row: int) -> Origin:
    declared = next((one for one in run.feeds if one["name"] == feed), None)
    if declared is None:
        return Origin(feed, row, None, "the run declares no feed of that name")
    path = run.locations[feed]
    try:
        if content_digest(Path(path)) != declared["digest"]:
            return Origin(feed, row, None, f"{path} is not the file the run read")
        spec = TapeSpec(**{k: v for k, v in declared.items() if k != "digest"}, path=path)
        return Origin(feed, row, observation(spec, Path(), row))
    except (FeedError, ConfigError) as error:
        return Origin(feed, row, None, str(error))
