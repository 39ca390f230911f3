"""The seed of randomised tests: LUCENT_SEED, or any number. It is printed, to repeat a test."""

from __future__ import annotations

import os
from random import Random


def seed() -> int:
    """The seed, which is printed."""
    number = int(os.environ.get("LUCENT_SEED") or Random().randrange(2**32))
    print(f"LUCENT_SEED={number}")
    return number


def seeded(case: int = 0) -> Random:
    """Random numbers of the seed; `case` tells the cases of one test apart."""
    return Random(seed() + case)
