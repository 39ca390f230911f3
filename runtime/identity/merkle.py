"""Merkle tree hash of RFC 6962, section 2.1, and the root of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

EMPTY = sha256(b"").hexdigest()
"""The root over no stream at all."""


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of `leaves`, in their order (RFC 6962, MTH).

    >>> merkle_root([b""]).hex()
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'
    """
    if not leaves:
        return sha256(b"").digest()
    level = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        pairs = [
            sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)
        ]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def run_root(heads: Mapping[str, str]) -> str:
    """The root of a run: hex Merkle root over the heads of its decision streams.

    `heads` maps each stream to the hex digest of its last event. A leaf is the stream's
    name in UTF-8, a zero byte and the 32 bytes of the digest; leaves are sorted by name
    (UTF-8 bytes).
    """
    named = sorted((stream.encode(), digest) for stream, digest in heads.items())
    return merkle_root([name + b"\0" + bytes.fromhex(digest) for name, digest in named]).hex()
