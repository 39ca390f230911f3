"""One signature for several events, with a proof in each that it is one of them.

The messages of a batch (`chain`) are the leaves of a Merkle tree (RFC 6962, section 2.1), in
their order. Signed is a pre-authentication encoding of the tree, in the manner of DSSE: the
word `LucentBatchV1`, then the count of leaves in decimal and the 32 bytes of the root, each
behind its length in decimal, all separated by one space. The signature of an event in it is
the 64 bytes of that, the number of its leaf from 0 and the count of leaves, 4 bytes each,
big-endian, and its audit path (section 2.1.1) of 32 bytes a node: enough to verify the event
with nothing but the public key. An event alone is signed without a tree: 64 bytes over its
message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import NamedTuple

from runtime.errors import MetadataInvalid
from runtime.events import NewEvent
from runtime.identity.chain import Draft, seal, sealed
from runtime.identity.merkle import merkle_tree, root_from_path

LARGEST_BATCH = 1 << 16
"""Leaves in a tree at most; more events become several batches."""

_SIGNATURE_BYTES = 64
_PLACE = Struct(">II")
_PATH_START = _SIGNATURE_BYTES + _PLACE.size


class Claim(NamedTuple):
    """What a key is said to have signed: the Ed25519 signature, and the bytes it is over."""

    signature: bytes
    signed: bytes


def batch_message(root: bytes, count: int) -> bytes:
    """The bytes an author signs for a tree of `count` messages with this root.

    >>> batch_message(b"r" * 32, 10)
    b'LucentBatchV1 2 10 32 rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr'
    """
    number = b"%d" % count
    return b"LucentBatchV1 %d %b %d %b" % (len(number), number, len(root), root)


def seal_batch(drafts: Sequence[Draft], sign: Callable[[bytes], bytes]) -> list[NewEvent]:
    """The events with their signatures, in their order: `sign` is called once for all.

    One draft is sealed plainly; more than `LARGEST_BATCH` become several batches, all full
    but the last. What is signed depends on the drafts and their order only.
    """
    parts = (drafts[at : at + LARGEST_BATCH] for at in range(0, len(drafts), LARGEST_BATCH))
    return [event for part in parts for event in _seal_tree(part, sign)]


def _seal_tree(drafts: Sequence[Draft], sign: Callable[[bytes], bytes]) -> list[NewEvent]:
    count = len(drafts)
    if count == 1:
        return [seal(drafts[0], sign)]
    root, paths = merkle_tree([one.message for one in drafts])
    signature = sign(batch_message(root, count))
    return [
        sealed(one, signature + _PLACE.pack(index, count) + path)
        for index, (one, path) in enumerate(zip(drafts, paths, strict=True))
    ]


def claim(message: bytes, signature: bytes) -> Claim:
    """What the signature of an event, as it is stored, claims for the event's message.

    The event is proven if `VerifyingKey.verifies(*claim(*recorded_message(event)))` for its
    author's key. Raises `MetadataInvalid` unless `signature` is 64 bytes, or has a place and
    an audit path that fit together.
    """
    if len(signature) == _SIGNATURE_BYTES:
        return Claim(signature, message)
    if len(signature) < _PATH_START:
        raise MetadataInvalid(
            f"its signature has {len(signature)} bytes: it must have 64, or for one of a batch"
            " 72 and its audit path"
        )
    index, count = _PLACE.unpack_from(signature, _SIGNATURE_BYTES)
    if not 2 <= count <= LARGEST_BATCH:
        raise MetadataInvalid(
            f"its signature is of a batch of {count}: it must be of 2 to {LARGEST_BATCH} events"
        )
    root = root_from_path(message, index, count, signature[_PATH_START:])
    return Claim(signature[:_SIGNATURE_BYTES], batch_message(root, count))
