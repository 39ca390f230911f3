"""Key groups: the smallest unit that moves between hosts.

Each aggregate belongs to one of 256 groups for good; each group is on one host at a time,
chosen by rendezvous hashing (Thaler and Ravishankar, 1998), so that adding or removing a
host moves only the groups it gains or gives up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

GROUPS = 256
"""How many key groups there are, for good."""


@lru_cache(maxsize=1 << 20)
def key_group(aggregate: str) -> int:
    """The key group of an aggregate, 0 to 255.

    >>> key_group("pool-000")
    38
    """
    return blake2b(aggregate.encode(), digest_size=1).digest()[0]


def assignment(hosts: Sequence[int]) -> NDArray[np.int32]:
    """The host of each of the 256 groups, int32; `ValueError` without a host.

    >>> moved = assignment([0, 1]) != assignment([0, 1, 2])
    >>> set(assignment([0, 1, 2])[moved].tolist())
    {2}
    """
    if not hosts:
        raise ValueError("key groups need at least one host")
    chosen = [max(hosts, key=lambda host: _weight(group, host)) for group in range(GROUPS)]
    return np.array(chosen, np.int32)


def _weight(group: int, host: int) -> bytes:
    return blake2b(b"%d/%d" % (group, host), digest_size=8).digest()
