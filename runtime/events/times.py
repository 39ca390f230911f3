"""Times are integers: nanoseconds since 1970-01-01T00:00:00Z, without leap seconds.

In JSON they travel as RFC 3339 text with nine digits, since integers above 2**53
do not survive every JSON reader.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

NANOSECONDS = 1_000_000_000
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?", re.ASCII
)


@lru_cache(maxsize=65536)
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def time_text(ns: int) -> str:
    """RFC 3339 text with nine fractional digits.

    >>> time_text(1_700_000_000_000_000_001)
    '2023-11-14T22:13:20.000000001Z'
    """
    second, fraction = divmod(ns, NANOSECONDS)
    return f"{_second_text(second)}.{fraction:09d}Z"


def parse_time(text: str) -> int:
    """Nanoseconds of an RFC 3339 text or a plain date; without a zone it is UTC.

    Raises `ValueError` for anything else.

    >>> parse_time("2023-11-14T22:13:20.000000001Z")
    1700000000000000001
    >>> parse_time("2023-11-14")
    1699920000000000000
    """
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        text += "T00:00:00Z"
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    day, clock, fraction, zone = match.groups()
    whole = datetime.fromisoformat(f"{day}T{clock}{(zone or 'Z').replace('Z', '+00:00')}")
    return int(whole.timestamp()) * NANOSECONDS + int((fraction or "0").ljust(9, "0"))
