"""The catalog of event types: a model and a version each, and who takes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from runtime.errors import UnknownName
from runtime.events import decided, intake, lifecycle, observations, quarantine


@dataclass(frozen=True, slots=True)
class EventType:
    """A kind of event: its name, the version of its data, and the model of it."""

    name: str
    version: int
    model: type[BaseModel]

    @property
    def observed(self) -> bool:
        """Whether feeds yield it (and not agents)."""
        return issubclass(self.model, observations.Observation)

    @property
    def level(self) -> bool:
        """Whether a later one of an aggregate says all that an earlier one said."""
        return issubclass(self.model, observations.Observation) and self.model.level

    @property
    def decided(self) -> bool:
        """Whether agents decide it."""
        return issubclass(self.model, decided.DecisionData)


def _types(*models: type[BaseModel]) -> dict[str, EventType]:
    return {model.__name__: EventType(model.__name__, 1, model) for model in models}


CATALOG = _types(
    decided.AgentDecisionMade,
    quarantine.AggregateParked,
    quarantine.AggregateReleased,
    quarantine.EventsHeld,
    observations.GasPriceObserved,
    intake.IntakeAdvanced,
    decided.OpportunityRejected,
    observations.PoolRateObserved,
    decided.PositionCalculated,
    decided.PositionRecommended,
    observations.PriceObserved,
    quarantine.ReleaseAdvanced,
    quarantine.ReleaseBegun,
    lifecycle.RunCompleted,
    lifecycle.RunPaused,
    lifecycle.RunResumed,
    lifecycle.RunStarted,
    lifecycle.StrategyUpgraded,
    intake.TicksConflated,
    intake.TicksRejected,
    observations.TradeObserved,
    observations.UserActionRecorded,
    decided.YieldOpportunityDetected,
)
"""Every event type by name."""


def event_type(name: str) -> EventType:
    """The event type of that name; `UnknownName` offers the nearest."""
    try:
        return CATALOG[name]
    except KeyError:
        raise UnknownName("event type", name, CATALOG) from None


def observed_types() -> list[str]:
    """The names of the event types that feeds yield, sorted."""
    return sorted(name for name, kind in CATALOG.items() if kind.observed)


def json_schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema (draft 2020-12) of each event type's data, by name."""
    return {
        name: kind.model.model_json_schema(by_alias=True) | {"version": kind.version}
        for name, kind in sorted(CATALOG.items())
    }


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A field of an observation: `kind` is float, bool or str, bounds are inclusive.

    `above` is an exclusive lower bound.
    """

    name: str
    kind: type
    required: bool
    low: float | None = None
    high: float | None = None
    above: float | None = None


def observation_fields(name: str) -> dict[str, FieldSpec]:
    """The fields of an observed event type, with the bounds beyond which a value is absurd.

    >>> observation_fields("GasPriceObserved")["gwei"].high
    10000000.0
    """
    fields = event_type(name).model.model_fields
    return {key: _field_spec(key, info) for key, info in fields.items()}


def _field_spec(name: str, info: FieldInfo) -> FieldSpec:
    annotation = info.annotation
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    bounds: dict[str, float] = {}
    for constraint in info.metadata:
        for attribute, bound in (("ge", "low"), ("le", "high"), ("gt", "above")):
            value = getattr(constraint, attribute, None)
            if value is not None:
                bounds[bound] = float(value)
    kind = kinds[0] if kinds else annotation
    assert isinstance(kind, type)
    return FieldSpec(name, kind, info.is_required(), **bounds)


@dataclass(slots=True)
class Registry:
    """Which handlers (agents) take which event types, in the order of registration."""

    _handlers: dict[str, list[str]] = field(default_factory=dict)

    def register(self, handler: str, types: Iterable[str]) -> None:
        """Let `handler` take events of `types`; `UnknownName` if one is not in the catalog."""
        for name in types:
            self._handlers.setdefault(event_type(name).name, []).append(handler)

    def handlers(self, name: str) -> tuple[str, ...]:
        """Who takes events of that type.

        >>> registry = Registry()
        >>> registry.register("scout", ["PoolRateObserved"])
        >>> registry.handlers("PoolRateObserved"), registry.handlers("PriceObserved")
        (('scout',), ())
        """
        return tuple(self._handlers.get(event_type(name).name, ()))
