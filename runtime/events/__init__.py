"""Events: envelope, catalog, ids, names, times and bytes. Pure."""

from runtime.events.catalog import (
    CATALOG,
    EventType,
    FieldSpec,
    Registry,
    event_type,
    json_schemas,
    observation_fields,
    observed_types,
)
from runtime.events.decided import DecisionData, Scalar, StrategyStamp
from runtime.events.envelope import NewEvent, RecordedEvent, envelope
from runtime.events.ids import decision_id, id_text, named_id, observation_id, parse_id
from runtime.events.lifecycle import RunCompleted, RunPaused, RunResumed, RunStarted
from runtime.events.metadata import (
    GENESIS,
    Cause,
    cause_fields,
    read_metadata,
    signed_metadata,
    split_metadata,
    unsigned_metadata,
)
from runtime.events.names import (
    AGGREGATE,
    CATEGORIES,
    NAME,
    decision_stream,
    kind_of,
    quarantine_stream,
    run_stream,
    split_decision_stream,
)
from runtime.events.quarantine import (
    AggregateParked,
    AggregateReleased,
    EventsHeld,
    QuarantineEvent,
    ReleaseAdvanced,
    ReleaseBegun,
)
from runtime.events.times import NANOSECONDS, parse_time, time_text

__all__ = [
    "AGGREGATE",
    "CATALOG",
    "CATEGORIES",
    "GENESIS",
    "NAME",
    "NANOSECONDS",
    "AggregateParked",
    "AggregateReleased",
    "Cause",
    "DecisionData",
    "EventType",
    "EventsHeld",
    "FieldSpec",
    "NewEvent",
    "QuarantineEvent",
    "RecordedEvent",
    "Registry",
    "ReleaseAdvanced",
    "ReleaseBegun",
    "RunCompleted",
    "RunPaused",
    "RunResumed",
    "RunStarted",
    "Scalar",
    "StrategyStamp",
    "cause_fields",
    "decision_id",
    "decision_stream",
    "envelope",
    "event_type",
    "id_text",
    "json_schemas",
    "kind_of",
    "named_id",
    "observation_fields",
    "observation_id",
    "observed_types",
    "parse_id",
    "parse_time",
    "quarantine_stream",
    "read_metadata",
    "run_stream",
    "signed_metadata",
    "split_decision_stream",
    "split_metadata",
    "time_text",
    "unsigned_metadata",
]
