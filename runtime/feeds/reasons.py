"""What to tell of a row that cannot be used, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.events import observation_fields
from runtime.feeds.spec import TapeSpec

_PERCENT = " If the column is in percent, declare unit = 'percent'."


def explain_row(spec: TapeSpec, reason: str, field: str, row: Mapping[str, Any]) -> str:
    """Why a row cannot be used: `reason` is one of `checks.REASONS`, `field` what it is about.

    `row` holds the values as they stand in the file.
    """
    column = spec.columns[field].column if field else None
    value = row.get(column) if column is not None else None
    time = row.get(spec.event_time.column)
    known = time if spec.known_at is None else row.get(spec.known_at.column)
    texts = {
        "time": f"time {time!r} in column {spec.event_time.column!r} is not a time from 1970 to"
        f" 2262 in unit {spec.event_time.unit!r}: is another unit declared than the file has?",
        "known before it happened": f"it was known at {known!r}, before its event time {time!r}",
        "aggregate name": f"{_key(spec, row)!r} cannot name an aggregate: use printable ASCII"
        " without blanks, beginning with a letter or digit",
        "missing": f"column {column!r} has no value, and {spec.event_type} needs {field!r}",
        "not a number": f"{value!r} in column {column!r} is not what {field!r} takes",
        "not finite": f"{value!r} in column {column!r} is not a finite number",
        "absurd": _absurd(spec, field, value) if reason == "absurd" else "",
        "unsorted": f"time {known!r} is before that of an earlier row: sort the file by it",
        "duplicate": f"it repeats the aggregate and time {time!r} of an earlier row",
        "quarantined": "an earlier row of its aggregate could not be used",
    }
    return texts[reason]


def _key(spec: TapeSpec, row: Mapping[str, Any]) -> str:
    if spec.aggregate_name is not None:
        return spec.aggregate_name
    return ":".join(str(row.get(name) or "") for name in spec.aggregate)


def _absurd(spec: TapeSpec, field: str, value: object) -> str:
    column, known = spec.columns[field], observation_fields(spec.event_type)[field]
    low = known.low if column.low is None else column.low
    high = known.high if column.high is None else column.high
    number = float(str(value)) * column.scale / column.divisor
    if high is not None and number > high:
        percent = "" if column.unit in {"percent", "bps"} else _PERCENT
        return (
            f"{field} = {number:.6g} (column {column.column!r}) is above {high:g}.{percent}"
            " If it is right, declare `high` for this column"
        )
    bound = f"not above {known.above:g}" if known.above is not None else f"below {low}"
    return (
        f"{field} = {number:.6g} (column {column.column!r}) is {bound}."
        " If it is right, declare `low` for this column"
    )
