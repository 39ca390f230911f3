"""How a user declares a recorded input: which file, which columns, in which units."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from runtime.errors import ConfigError, UnknownName
from runtime.events import NAME, event_type, observation_fields, observed_types
from runtime.feeds.backlog import Bound, Overload
from runtime.settings import Section

TIME_UNITS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
"""Nanoseconds of each numeric time unit."""

VALUE_UNITS = {"fraction": 1.0, "percent": 100.0, "bps": 10_000.0}
"""What a value in each unit is divided by to become a fraction."""

_DURATION = re.compile(r"(\d+)\s*(ns|us|ms|s|m|h|d)")
_DURATION_UNITS = TIME_UNITS | {
    "m": 60 * 10**9,
    "h": 3_600 * 10**9,
    "d": 86_400 * 10**9,
}

Policy = Literal["reject", "skip", "quarantine"]
Format = Literal["parquet", "csv", "ndjson"]


def parse_duration(text: str) -> int:
    """Nanoseconds of a duration like `90s`, `15m`, `1h`, `1d`; `ValueError` for anything else.

    >>> parse_duration("1h")
    3600000000000
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a duration: {text!r}; write 90s, 15m, 1h or 1d")
    return int(match[1]) * _DURATION_UNITS[match[2]]


class TimeColumn(Section):
    """A column of times: numbers in `unit`, or with `iso` texts (RFC 3339, plain dates; UTC if
    they name no zone). Columns that are timestamps in the file are taken as they are.
    """  # noqa: D205 (one sentence)

    column: str
    unit: Literal["s", "ms", "us", "ns", "iso"] = "iso"

    @classmethod
    def title(cls) -> str:
        return "a time column"


class ColumnSpec(Section):
    """Where a field comes from: a column and its unit, or one `value` for all rows.

    `scale` multiplies what is in the file (beside `unit`); `low` and `high` replace the
    bounds beyond which the event type calls a value absurd, in the units of the field.
    """

    column: str | None = None
    value: str | float | bool | None = None
    unit: Literal["fraction", "percent", "bps"] | None = None
    scale: float = 1.0
    low: float | None = None
    high: float | None = None

    @classmethod
    def title(cls) -> str:
        return "a feed's column"

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.column is None) == (self.value is None):
            raise ValueError("give either `column` or `value`")
        return self

    @property
    def divisor(self) -> float:
        """What a value in the file, times `scale`, is divided by to be in the field's unit."""
        return 1.0 if self.unit is None else VALUE_UNITS[self.unit]


def _named(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


NamedColumn = Annotated[ColumnSpec, BeforeValidator(_named)]
NamedTime = Annotated[TimeColumn, BeforeValidator(_named)]


class TapeSpec(Section):
    """A recorded input (`[[feeds]]`): each row is an event of `event_type`.

    The aggregate is the text of the columns in `aggregate` joined by ":", or the constant
    `aggregate_name`. `known_at` is when a row could be known (default: its event time), or
    `known_after` how long after its event time: candles stamped with their open are known
    a candle later. Rows must be sorted by it. `select` keeps rows whose text column has one
    of the values. `policy` says what becomes of rows that cannot be used: `reject` stops,
    `skip` leaves them out, `quarantine` leaves out the rest of their aggregate too.

    `overload` says what is done when more than `backlog` of its events are due and not taken:
    `block` reads no further, `conflate` keeps the latest of each aggregate, `reject` drops the
    newest. What is dropped is recorded in the log. Only feeds that are played at a pace fall
    behind.
    """

    name: str
    path: str = ""
    format: Format | None = None
    event_type: str
    protocol: str | None = None
    aggregate: tuple[str, ...] = ()
    aggregate_name: str | None = None
    event_time: NamedTime
    known_at: NamedTime | None = None
    known_after: str | None = None
    columns: dict[str, NamedColumn] = Field(default_factory=dict)
    select: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    policy: Policy = "reject"
    overload: Overload = "block"
    backlog: int = Field(10_000, ge=1)

    @classmethod
    def title(cls) -> str:
        return "[[feeds]]"

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a name: use letters, digits, '.', '-', '_'")
        return name

    @field_validator("event_type")
    @classmethod
    def _is_observed(cls, name: str) -> str:
        observed = observed_types()
        if name not in observed:
            raise UnknownName("observed event type", name, observed)
        return name

    @field_validator("known_after")
    @classmethod
    def _is_a_duration(cls, text: str | None) -> str | None:
        if text is not None:
            parse_duration(text)
        return text

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if bool(self.aggregate) == (self.aggregate_name is not None):
            raise ValueError(f"feed {self.name!r}: give either `aggregate` or `aggregate_name`")
        if self.known_at is not None and self.known_after is not None:
            raise ValueError(f"feed {self.name!r}: give either `known_at` or `known_after`")
        if self.overload == "conflate" and not event_type(self.event_type).level:
            raise ValueError(
                f"feed {self.name!r} cannot conflate: each {self.event_type} is a fact of its own"
            )
        fields = observation_fields(self.event_type)
        for name in self.columns:
            if name not in fields:
                raise UnknownName(f"field of {self.event_type}:", name, fields)
        for name, field in fields.items():
            if field.required and name not in self.columns:
                raise ConfigError(
                    f"feed {self.name!r} does not say which column is the {name!r} that"
                    f" {self.event_type} needs"
                )
        return self

    @property
    def delay(self) -> int:
        """Nanoseconds from event time to known-at, where `known_after` says so."""
        return 0 if self.known_after is None else parse_duration(self.known_after)

    @property
    def bound(self) -> Bound:
        """How far it may fall behind."""
        return Bound(self.overload, self.backlog)

    def file_columns(self) -> tuple[str, ...]:
        """The columns of the file that are needed, each once, in order."""
        times = [self.event_time.column]
        if self.known_at is not None:
            times.append(self.known_at.column)
        values = [one.column for one in self.columns.values() if one.column is not None]
        return tuple(dict.fromkeys([*times, *self.aggregate, *values, *self.select]))
