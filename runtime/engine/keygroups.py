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
    heaviest = np.stack([_weights(host) for host in hosts]).argmax(axis=0)
    chosen: NDArray[np.int32] = np.array(hosts, np.int32)[heaviest]
    return chosen


@lru_cache(maxsize=4_096)
def _weights(host: int) -> NDArray[np.uint64]:
    """The weight of a host for each group."""
    digests = (blake2b(b"%d/%d" % (group, host), digest_size=8) for group in range(GROUPS))
    return np.array([int.from_bytes(one.digest()) for one in digests], np.uint64)
