"""Waiting for what happens beside a test: it is looked at again and again, up to a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 90
"""The deadline, far beyond what a busy machine takes."""

PAUSE = 0.01


def until(holds: Callable[[], bool], why: str) -> None:
    """Wait until something holds; fails with `why` at the deadline."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, why
        time.sleep(PAUSE)


def becomes(ask: Callable[[], object], wanted: object) -> None:
    """Wait until `ask` answers what is wanted; fails with its last answer at the deadline."""
    end = time.monotonic() + SECONDS
    while (found := ask()) != wanted:
        assert time.monotonic() < end, f"it is {found!r}, and did not become {wanted!r}"
        time.sleep(PAUSE)
