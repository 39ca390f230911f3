"""What strategy authors write: a pure function of state and events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from runtime.deciding.decision import Decision
from runtime.deciding.window import Event, Window
from runtime.errors import LucentError, ParameterInvalid, UnknownName
from runtime.settings import checked_number

S = TypeVar("S")

Decided = Decision | Iterable[Decision] | None
"""What `on_event` may return: nothing, one decision, or several in their order."""


POISON = (Exception, SystemExit)
"""What a strategy may raise: it says that something is wrong with it, or with an event."""

RESERVED = ("time", "known_at", "type")
"""What every event has anyway."""


class Parameters(BaseModel):
    """Base of a strategy's parameters: immutable, finite, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        return checked_number(cls, value, info)


class Strategy(Generic[S]):
    """Decides on the events of one aggregate at a time.

    A subclass names itself and its `version` (any text; change it whenever it could decide
    differently), the event fields it reads with their types (`inputs`: float, str or bool;
    where an event has no such field it reads NaN, "" or False; of decisions: `origin`,
    `yield`, `confidence`, `action`, ..., or a feature), the event types it `emits`,
    its `Parameters` and its `State` (a slotted dataclass), and writes `on_event` or
    `on_window`, or both, which must then agree.

    The state belongs to the runtime: a strategy changes the one it is handed in place and
    keeps nothing else, neither in itself nor globally. It reads no clock, no file, no
    random number; all it knows is handed in.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    inputs: ClassVar[Mapping[str, type]] = {}
    emits: ClassVar[tuple[str, ...]] = ("AgentDecisionMade",)
    Parameters: ClassVar[type[BaseModel]] = Parameters
    State: ClassVar[type]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        missing = [name for name in ("name", "version", "State") if not hasattr(cls, name)]
        if missing:
            raise TypeError(f"strategy {cls.__qualname__} does not declare {', '.join(missing)}")
        for what, value in (("name", cls.name), ("version", cls.version)):
            if not isinstance(value, str):
                raise TypeError(
                    f"strategy {cls.__qualname__} has the {what} {value!r}: it must be text"
                )
        if not (isinstance(cls.Parameters, type) and issubclass(cls.Parameters, BaseModel)):
            raise TypeError(
                f"strategy {cls.__qualname__} has Parameters that are none: derive them from"
                " runtime.deciding.Parameters"
            )
        if cls.on_event is Strategy.on_event and cls.on_window is Strategy.on_window:
            raise TypeError(f"strategy {cls.__qualname__} has neither on_event nor on_window")
        for name, kind in cls.inputs.items():
            if not name.isidentifier() or name.startswith("_") or name in RESERVED:
                raise TypeError(f"strategy {cls.__qualname__} cannot read an input named {name!r}")
            if kind not in (float, str, bool):
                raise TypeError(
                    f"strategy {cls.__qualname__} reads input {name!r} as {kind!r}: declare it"
                    " as float, str or bool"
                )

    def __init__(self, parameters: BaseModel) -> None:
        self.parameters: Any = parameters

    @classmethod
    def configure(cls, parameters: Mapping[str, Any]) -> Strategy[S]:
        """The strategy with these parameters; defaults fill in the rest.

        Raises `UnknownName` for a parameter it does not have, `ParameterInvalid` for a value
        out of bounds.
        """
        fields = cls.Parameters.model_fields
        for name in parameters:
            if name not in fields:
                raise UnknownName(f"parameter of strategy {cls.name!r}:", name, fields)
        try:
            return cls(cls.Parameters(**parameters))
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, one['loc']))} = {one['input']!r}:"
                f" {one['msg'].removeprefix('Value error, ')}"
                for one in error.errors()
            )
            raise ParameterInvalid(f"strategy {cls.name!r}: {wrong}") from None
        except LucentError:
            raise
        except POISON as error:
            raise ParameterInvalid(
                f"strategy {cls.name!r} cannot be made with these parameters:"
                f" {type(error).__name__}: {error}"
            ) from error

    @property
    def parameters_digest(self) -> str:
        """First 16 hex digits of the SHA-256 of the parameters as JSON with sorted names."""
        data = self.parameters.model_dump(mode="json")
        return sha256(msgspec.json.encode(data, order="deterministic")).hexdigest()[:16]

    def start(self, aggregate: str) -> S:  # noqa: ARG002 (for authors)
        """The state of an aggregate before its first event."""
        state: S = self.State()
        return state

    def on_event(self, state: S, event: Event) -> Decided:
        """Take in one event: change `state`, return what is decided on it."""
        return [decision for _, decision in self.on_window(state, Window.of("", event))]

    def on_window(self, state: S, window: Window) -> Iterable[tuple[int, Decision]]:
        """Take in a window: change `state`, return (row, decision) pairs, rows non-decreasing."""
        return event_by_event(self, state, window)


def event_by_event(strategy: Strategy[S], state: S, window: Window) -> list[tuple[int, Decision]]:
    """What `strategy.on_event` decides on each row of `window`.

    A strategy written for windows only is handed windows of one row.
    """
    decided: list[tuple[int, Decision]] = []
    on_event = strategy.on_event
    by_window = type(strategy).on_event is Strategy.on_event
    for row, event in enumerate(window.events(tuple(strategy.inputs))):
        if by_window:
            one = Window.of(window.aggregate, event)
            decided.extend((row, decision) for _, decision in strategy.on_window(state, one))
            continue
        result = on_event(state, event)
        if result is None:
            continue
        if isinstance(result, Decision):
            decided.append((row, result))
        else:
            decided.extend((row, decision) for decision in result)
    return decided
