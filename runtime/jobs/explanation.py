"""Why a decision was made: what was seen, by what rule, from which causes, and is it proven."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec

from runtime.errors import ConfigError, EventNotFound, EventScavenged, FeedError, MetadataInvalid
from runtime.events import (
    RecordedEvent,
    RunStarted,
    envelope,
    kind_of,
    parse_id,
    run_stream,
    split_decision_stream,
)
from runtime.feeds import TapeSpec, content_digest, observation
from runtime.identity import Damage, Trust, check_stream
from runtime.jobs.journal import started_runs
from runtime.store import EventStore, open_store


@dataclass(frozen=True, slots=True)
class Origin:
    """The observation a chain of causes ends in: the feed's name, the row, and its values.

    `values` is None where the input is not at hand or is not the one the run read, or where
    the chain ends at a scavenged decision (`feed` is its stream, `row` its number); `missing`
    then says why.
    """

    feed: str
    row: int
    values: dict[str, Any] | None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything behind a decision.

    `causes` are the exported envelopes from this decision back to the first one;
    `damages` holds the first damage of each stream among them, up to the event in question,
    and of the run's start. Where there is one, the origin is not looked up.
    """

    decision: dict[str, Any]
    agent: dict[str, Any]
    causes: tuple[dict[str, Any], ...]
    origin: Origin
    damages: tuple[Damage, ...]


def explain(path: str | Path, event_id: str) -> Explanation:
    """Explain a decision of a store.

    Raises `EventNotFound`, `MetadataInvalid` if it cannot be read, or `StoreError` leaves.
    """
    try:
        wanted = parse_id(event_id)
    except ValueError:
        raise EventNotFound(
            f"{event_id!r} is not an event id: it looks like"
            " 8a7e4b3c-5c1a-5c0b-8b57-96e2b8a8f9d5; see 'lucent decisions'"
        ) from None
    with closing(open_store(path)) as store:
        event = store.find(wanted)
        name = _agent_name(event)
        runs = started_runs(store)
        run = _run_of(event, runs)
        chain, broken = _chain(store, event)
        damages = _damages(store, chain, run, runs)
        if broken is not None and not damages:
            damages = (broken,)
        return Explanation(
            decision=_envelope(event),
            agent=next((one for one in run.agents if one["name"] == name), {"name": name}),
            causes=tuple(_envelope(one) for one in chain[1:]),
            origin=_proven_origin(run, chain[-1], damages),
            damages=damages,
        )


class _Link(msgspec.Struct):
    """What a decision says of where it comes from."""

    cause: str = msgspec.field(name="$causationId")
    run_id: str = msgspec.field(name="$correlationId")
    source: str
    row: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,18}$")]


def _link(event: RecordedEvent) -> _Link:
    try:
        return msgspec.json.decode(event.metadata, type=_Link)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MetadataInvalid(_unreadable(event, error)) from None


def _envelope(event: RecordedEvent) -> dict[str, Any]:
    try:
        return envelope(event)
    except MetadataInvalid as error:
        raise MetadataInvalid(_unreadable(event, error)) from None


def _unreadable(event: RecordedEvent, error: Exception) -> str:
    return f"event {event.revision} of {event.stream} cannot be read ({error}): see 'lucent verify'"


def _agent_name(event: RecordedEvent) -> str:
    try:
        return split_decision_stream(event.stream)[0]
    except ValueError:
        raise EventNotFound(
            f"{event.stream} holds no decisions, but what a run records of itself"
        ) from None


def _run_of(event: RecordedEvent, runs: Sequence[RunStarted]) -> RunStarted:
    run_id = _link(event).run_id
    for run in runs:
        if run.run_id == run_id:
            return run
    raise EventNotFound(f"the store does not hold the start of run {run_id}")


def _chain(store: EventStore, event: RecordedEvent) -> tuple[list[RecordedEvent], Damage | None]:
    """The decision, the decision behind it, and so on; and where that cannot be followed."""
    chain = [event]
    while True:
        last = chain[-1]
        try:
            link = _link(last)
            if kind_of(link.source) != "agent":
                return chain, None
            cause = store.find(parse_id(link.cause))
        except EventScavenged:
            return chain, None
        except (MetadataInvalid, EventNotFound, ValueError) as error:
            return chain, _broken(last, f"its cause cannot be found: {error}")
        if cause.position >= last.position:
            return chain, _broken(last, "its cause does not stand before it in the log")
        chain.append(cause)


def _broken(event: RecordedEvent, detail: str) -> Damage:
    return Damage(event.stream, event.revision, event.position, "cause", detail)


def _damages(
    store: EventStore, chain: Sequence[RecordedEvent], run: RunStarted, runs: Sequence[RunStarted]
) -> tuple[Damage, ...]:
    first = list(reversed(runs))
    agents = {agent["name"]: agent["did"] for one in first for agent in one.agents}
    ids = {agent["name"]: one.run_id for one in first for agent in one.agents}
    trust = Trust(agents, {run_stream(run.run): run.author}, ids)
    places = {one.stream: one.revision for one in reversed(chain)} | {run_stream(run.run): 0}
    found = (
        check_stream(islice(store.entries(stream), revision + 1), stream, trust)
        for stream, revision in places.items()
    )
    return tuple(damage for damage in found if damage is not None)


def _proven_origin(run: RunStarted, first: RecordedEvent, damages: Sequence[Damage]) -> Origin:
    """The observation behind the first of a chain of decisions, if the chain holds."""
    try:
        link = _link(first)
    except MetadataInvalid as error:
        return Origin("", -1, None, str(error))
    if damages:
        return Origin(link.source, int(link.row), None, "the proof of the decision does not hold")
    if kind_of(link.source) == "agent":
        return Origin(link.source, int(link.row), None, "that event was scavenged")
    return _origin(run, link.source, int(link.row))


def _origin(run: RunStarted, feed: str, row: int) -> Origin:
    declared = next((one for one in run.feeds if one["name"] == feed), None)
    if declared is None:
        return Origin(feed, row, None, "the run declares no feed of that name")
    path = run.locations.get(feed, "")
    try:
        if content_digest(Path(path)) != declared["digest"]:
            return Origin(feed, row, None, f"{path} is not the file the run read")
        spec = TapeSpec(**{k: v for k, v in declared.items() if k != "digest"}, path=path)
        return Origin(feed, row, observation(spec, Path(), row))
    except (FeedError, ConfigError) as error:
        return Origin(feed, row, None, str(error))
