"""The decisions in a log, as records and as a data frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from runtime.errors import MetadataInvalid, StoreDamaged
from runtime.events import (
    CATALOG,
    RecordedEvent,
    id_text,
    parse_time,
    read_metadata,
    split_decision_stream,
)
from runtime.store import EventStore, Filter, open_store

if TYPE_CHECKING:
    from pandas import DataFrame

DECISION_TYPES = tuple(name for name, kind in CATALOG.items() if kind.decided)
"""The event types that agents decide."""

SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("type", pa.string()),
        ("agent", pa.string()),
        ("aggregate", pa.string()),
        ("time", pa.timestamp("ns", "UTC")),
        ("action", pa.string()),
        ("yield", pa.float64()),
        ("confidence", pa.float64()),
        ("protocol", pa.string()),
        ("reason", pa.string()),
        ("features", pa.string()),
        ("number", pa.int64()),
        ("position", pa.int64()),
    ]
)
"""The columns of decisions: `yield` in percent a year, `features` as JSON, `number` in their
stream, `position` in the log."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which decisions: of an agent, on an aggregate, with an action, in [since, until) ns."""

    agent: str | None = None
    aggregate: str | None = None
    action: str | None = None
    since: int | None = None
    until: int | None = None

    def events(self, store: EventStore) -> Iterator[RecordedEvent]:
        """The events asked for, in log order."""
        prefix = "agent-" if self.agent is None else f"agent-{self.agent}/"
        for event in store.read_all(only=Filter([prefix], DECISION_TYPES)):
            if self._wants(event):
                yield event

    def _wants(self, event: RecordedEvent) -> bool:
        if self.aggregate not in (None, split_decision_stream(event.stream)[1]):
            return False
        if self.since is not None or self.until is not None:
            with reading(event):
                time = parse_time(read_metadata(event.metadata)["timestamp"])
            if not (self.since or 0) <= time < (self.until or 2**63):
                return False
        return self.action is None or _action(event) == self.action


@contextmanager
def reading(event: RecordedEvent) -> Iterator[None]:
    """What an event raises that is not as it was written is told as `StoreDamaged`."""
    try:
        yield
    except (KeyError, TypeError, ValueError, MetadataInvalid) as error:
        raise StoreDamaged(
            f"event {event.revision} of {event.stream}, at position {event.position}, cannot be"
            f" read ({error}): see 'lucent verify'"
        ) from None


def record(event: RecordedEvent) -> dict[str, Any]:
    """A decision as a flat record with the columns of `SCHEMA`; raises `StoreDamaged`."""
    with reading(event):
        return _record(event)


def _record(event: RecordedEvent) -> dict[str, Any]:
    data = msgspec.json.decode(event.data)
    agent, aggregate = split_decision_stream(event.stream)
    return {
        "event_id": id_text(event.event_id),
        "type": event.type,
        "agent": agent,
        "aggregate": aggregate,
        "time": parse_time(read_metadata(event.metadata)["timestamp"]),
        "features": msgspec.json.encode(data["features"]).decode(),
        "number": event.revision,
        "position": event.position,
    } | {name: data[name] for name in ("action", "yield", "confidence", "protocol", "reason")}


def table(records: list[dict[str, Any]]) -> pa.Table:
    """Records as an Arrow table of `SCHEMA`."""
    return pa.Table.from_pylist(records, schema=SCHEMA)


def decisions(store: str | Path, query: Query | None = None) -> DataFrame:
    """The decisions in a store as a pandas data frame, in log order; see `SCHEMA`.

    May be called while a run writes to the store. Raises `StoreError` leaves.
    """
    with closing(open_store(store)) as opened:
        events = (query or Query()).events(opened)
        frame: DataFrame = table([record(event) for event in events]).to_pandas()
    return frame


@dataclass(slots=True)
class Tally:
    """Counts of decisions: by (agent, type, action) and by aggregate; `last` is the last's id."""

    kinds: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    aggregates: Counter[str] = field(default_factory=Counter)
    last: str | None = None


def tally(store: EventStore, query: Query) -> Tally:
    """Count the decisions asked for."""
    counted = Tally()
    for event in query.events(store):
        agent, aggregate = split_decision_stream(event.stream)
        counted.kinds[agent, event.type, _action(event)] += 1
        counted.aggregates[aggregate] += 1
        counted.last = id_text(event.event_id)
    return counted


def _action(event: RecordedEvent) -> str:
    with reading(event):
        return msgspec.json.decode(event.data, type=_Action).action


class _Action(msgspec.Struct):
    action: str
