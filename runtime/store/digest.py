"""Digests of snapshots, by which a missing, added, exchanged or altered part is found. Pure.

A digest is SHA-256 over a sequence of fields, each preceded by its length as 8 bytes,
most significant first; the first field says what is digested. Text is in UTF-8, key
groups are in decimal.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256


def part_digest(name: str, cursor: str, group: int, state: bytes) -> bytes:
    """The digest of a key group's state in the snapshot `name`, taken at `cursor`."""
    return _digest([b"LucentSnapshotPartV1", name.encode(), cursor.encode(), b"%d" % group, state])


def snapshot_digest(name: str, cursor: str, parts: Mapping[int, bytes]) -> bytes:
    """The digest of the snapshot `name` at `cursor`, of the digests of its parts by key group."""
    fields = [b"LucentSnapshotV1", name.encode(), cursor.encode()]
    for group in sorted(parts):
        fields += [b"%d" % group, parts[group]]
    return _digest(fields)


def _digest(fields: list[bytes]) -> bytes:
    digest = sha256()
    for field in fields:
        digest.update(len(field).to_bytes(8, "big"))
        digest.update(field)
    return digest.digest()
