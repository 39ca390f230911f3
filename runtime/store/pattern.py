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

MAX_LENGTH = 8192
"""Characters of a pattern."""

MAX_SIZE = 10_000
"""Characters of a pattern with its counted repeats written out, which is how it is compiled."""

_TOKEN = regex.compile(
    r"""
    (?P<open> \( (?: \?\#[^)]* | \?[a-zA-Z0-9-]*(?P<mode>[xV]) )? )
    | (?P<close> \) )
    | \{ (?P<least> \d+ ) (?: ,\d* )? \}
    | (?P<sign> [*+?] )
    | \\. | \[ \^?\]? (?: \\. | [^\]\\] )* \]? | .
    """,
    regex.DOTALL | regex.VERBOSE,
)


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


def written_out(pattern: str) -> int:
    r"""How many characters `pattern` has with its counted repeats written out, or more.

    Raises `FilterInvalid` for the modes that give characters another meaning.

    >>> written_out("ab{3}"), written_out(r"(a{10}|[)b]){20}\)"), written_out("x{5}){7}")
    (4, 241, 35)
    """
    sizes, last = [0], 0
    for token in _TOKEN.finditer(pattern):
        if token["mode"]:
            raise _invalid(pattern, f"it uses the mode {token['mode']}")
        if token["open"]:
            sizes.append(0)
        elif token["close"]:
            last = sizes.pop() if len(sizes) > 1 else 0
            sizes[-1] += last
            last = last or sizes[-1]
        elif token["least"]:
            digits = token["least"]
            count = int(digits) if len(digits) < 10 else 10**10
            sizes[-1] += last * max(0, count - 1)
            last *= max(1, count)
        elif not token["sign"]:
            last = 1
            sizes[-1] += 1
    return sum(sizes)


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> regex.Pattern[str]:
    if len(pattern) > MAX_LENGTH or written_out(pattern) > MAX_SIZE:
        raise _invalid(pattern, f"it is longer than {MAX_LENGTH} characters, or repeats too much")
    try:
        return regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError) as error:
        raise _invalid(pattern, str(error)) from None


def _invalid(pattern: str, why: str) -> FilterInvalid:
    told = f"{pattern[:80]!r} is no regular expression that can be used: {why}"
    return FilterInvalid(f"{told}: correct the filter")
