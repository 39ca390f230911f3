"""Regular expressions of filters: unanchored, and given up when they take too long. Pure.

The dialect is that of the `regex` package, which agrees with .NET's, the one of KurrentDB,
on what its clients send: alternatives, anchors, classes, look-ahead.
"""

from __future__ import annotations

from functools import lru_cache

import regex

from runtime.errors import FilterInvalid

SECONDS = 0.1
"""How long one name may take."""


def check_pattern(pattern: str) -> None:
    """Raise `FilterInvalid` unless `pattern` is a regular expression."""
    _compiled(pattern)


@lru_cache(maxsize=16_384)
def matches(pattern: str, name: str) -> bool:
    r"""Whether `pattern` is found anywhere in `name`; raises `TimeoutError` and `FilterInvalid`.

    >>> matches(r"^(?!(\$.+$|Odd$))", "PriceObserved"), matches("^(A|B)$", "AB")
    (True, False)
    """
    return _compiled(pattern).search(name, timeout=SECONDS) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> regex.Pattern[str]:
    try:
        return regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError) as error:
        told = f"{pattern[:80]!r} is no regular expression: {error}"
        raise FilterInvalid(f"{told}: correct the filter") from None
