"""The seed of randomised tests: LUCENT_SEED, or one that is printed."""

from __future__ import annotations

import os
from random import Random


def seeded() -> Random:
    """Random numbers whose seed is printed."""
    seed = int(os.environ.get("LUCENT_SEED") or Random().randrange(2**32))
    print(f"LUCENT_SEED={seed}")
    return Random(seed)
