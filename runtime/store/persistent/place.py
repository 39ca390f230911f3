"""Revisions and positions as KurrentDB writes them in checkpoints, configuration and figures. Pure.

A revision is a number, a position `C:<commit>/P:<prepare>`; -1 is the end.
"""

from __future__ import annotations

import re

from runtime.store.policy import ALL

_POSITION = re.compile(r"C:(-?\d{1,19})/P:-?\d{1,19}", re.ASCII)
_REVISION = re.compile(r"-?\d{1,19}", re.ASCII)


def place_text(stream: str, place: int | None) -> str:
    """The text of a place in `stream`; None is the end.

    >>> place_text("orders", 12), place_text("$all", 12), place_text("$all", None)
    ('12', 'C:12/P:12', 'C:-1/P:-1')
    """
    number = -1 if place is None else place
    return f"C:{number}/P:{number}" if stream == ALL else str(number)


def place_of(stream: str, text: str) -> int | None:
    """The place that a text tells, None for the end; raises `ValueError` if it tells none.

    >>> place_of("$all", "C:12/P:12"), place_of("orders", "-1")
    (12, None)
    """
    match = (_POSITION if stream == ALL else _REVISION).fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:80]!r} is no place in {stream!r}")
    place = int(match.groups()[0] if match.groups() else match.group())
    return None if place < 0 else place
