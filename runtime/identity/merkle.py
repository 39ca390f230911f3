"""Merkle tree hash and audit paths of RFC 6962, section 2.1, and the root of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from runtime.errors import MetadataInvalid

NODE_BYTES = 32
EMPTY = sha256(b"").hexdigest()
"""The root over no stream at all."""


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of `leaves`, in their order (RFC 6962, MTH).

    >>> merkle_root([b""]).hex()
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d'
    """
    if not leaves:
        return sha256(b"").digest()
    level = _hashed(leaves)
    while len(level) > 1:
        level = _paired(level)
    return level[0]


def audit_paths(leaves: Sequence[bytes]) -> list[bytes]:
    """The audit path of each leaf (RFC 6962, section 2.1.1, PATH), in one pass over the tree.

    A path is its nodes, 32 bytes each, from the leaf's sibling up; that of a single leaf is
    empty.
    """
    levels = [_hashed(leaves)]
    while len(levels[-1]) > 1:
        levels.append(_paired(levels[-1]))
    paths = [b""] * len(levels.pop())
    for level in reversed(levels):
        last = len(level) - 1
        paths = [
            level[at ^ 1] + paths[at >> 1] if at ^ 1 <= last else paths[at >> 1]
            for at in range(len(level))
        ]
    return paths


def root_from_path(leaf: bytes, index: int, count: int, path: bytes) -> bytes:
    """The root of the tree of `count` leaves in which `leaf` is number `index`, from 0.

    Raises `MetadataInvalid` unless there is such a number and `path` has exactly the nodes
    that it implies.
    """
    if not 0 <= index < count:
        raise MetadataInvalid(f"leaf {index} is not in a tree of {count}")
    lefts = _lefts(index, count)
    if len(path) != len(lefts) * NODE_BYTES:
        raise MetadataInvalid(
            f"the audit path of leaf {index} of {count} has {len(lefts)} nodes of 32 bytes,"
            f" this one has {len(path)} bytes"
        )
    node = sha256(b"\x00" + leaf).digest()
    for number, left in enumerate(lefts):
        sibling = path[number * NODE_BYTES : (number + 1) * NODE_BYTES]
        node = sha256(b"\x01" + (sibling + node if left else node + sibling)).digest()
    return node


def run_root(heads: Mapping[str, str]) -> str:
    """The root of a run: hex Merkle root over the heads of its decision streams.

    `heads` maps each stream to the hex digest of its last event. A leaf is the stream's
    name in UTF-8, a zero byte and the 32 bytes of the digest; leaves are sorted by name
    (UTF-8 bytes).
    """
    named = sorted((stream.encode(), digest) for stream, digest in heads.items())
    return merkle_root([name + b"\0" + bytes.fromhex(digest) for name, digest in named]).hex()


def _hashed(leaves: Sequence[bytes]) -> list[bytes]:
    return [sha256(b"\x00" + leaf).digest() for leaf in leaves]


def _paired(level: Sequence[bytes]) -> list[bytes]:
    """The level above; a last node without a sibling is in it as it is."""
    pairs = [
        sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)
    ]
    return pairs + list(level[len(pairs) * 2 :])


def _lefts(index: int, count: int) -> list[bool]:
    """Of each node of a leaf's audit path, from the leaf up, whether it is a left one."""
    lefts, last = [], count - 1
    while last:
        if index & 1 or index < last:
            lefts.append(bool(index & 1))
        index, last = index >> 1, last >> 1
    return lefts
