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


def merkle_tree(leaves: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """The root as `merkle_root` has it, and the audit path of each leaf (section 2.1.1, PATH).

    A path is its nodes, 32 bytes each, from the leaf's sibling up; that of a single leaf is
    empty. Both come of one pass over the tree.
    """
    if not leaves:
        return merkle_root(leaves), []
    levels = [_hashed(leaves)]
    while len(levels[-1]) > 1:
        levels.append(_paired(levels[-1]))
    (root,) = levels.pop()
    paths = [b""]
    for level in reversed(levels):
        paths = _beside(level, paths)
    return root, paths


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
    both = zip(level[::2], level[1::2], strict=False)
    pairs = [sha256(b"\x01" + left + right).digest() for left, right in both]
    return pairs + list(level[len(pairs) * 2 :])


def _beside(level: Sequence[bytes], above: Sequence[bytes]) -> list[bytes]:
    """The paths of a level's nodes, by those of the level above it."""
    paths: list[bytes] = []
    for left, right, path in zip(level[::2], level[1::2], above, strict=False):
        paths += (right + path, left + path)
    return paths + list(above[len(level) // 2 :])


def _lefts(index: int, count: int) -> list[bool]:
    """Of each node of a leaf's audit path, from the leaf up, whether it is a left one."""
    lefts, last = [], count - 1
    while last:
        if index & 1 or index < last:
            lefts.append(bool(index & 1))
        index, last = index >> 1, last >> 1
    return lefts
