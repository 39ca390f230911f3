"""Cutting a batch into one part a host, without an object a row."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from runtime.engine.keygroups import GROUPS, key_group

NOWHERE = -1
"""The host of a key group whose rows are left out."""


_DIGIT = 16
_GROUP = 2 * _DIGIT
"""The place of a name: its key group above its rank, which has two digits of 16 bits."""


class Part(NamedTuple):
    """The rows of a batch for one host, sorted by aggregate, and the key groups they touch.

    The sort is stable: the rows of an aggregate keep their order.
    """

    host: int
    groups: tuple[int, ...]
    rows: pa.RecordBatch


class Split(NamedTuple):
    """The key groups that a batch has rows of, sorted, and its parts by host."""

    groups: tuple[int, ...]
    parts: list[Part]


class Partitioner:
    """Cuts batches by the key group of their `aggregate` column (dictionary of text).

    Each distinct key is hashed once, as long as batches share a dictionary.
    """

    def __init__(self) -> None:
        self._names: pa.Array = pa.array([], pa.string())
        self._groups: NDArray[np.int32] = np.empty(0, np.int32)
        self._by_name: NDArray[np.intp] = np.empty(0, np.intp)
        self._hosts = b""
        self._owned: dict[int, tuple[int, ...]] = {}
        self._host_of: list[int] = []
        self._owners: NDArray[np.intp] = np.empty(0, np.intp)
        self._borders: NDArray[np.intp] = np.empty(0, np.intp)
        self._places: NDArray[np.uint64] = np.empty(0, np.uint64)

    def split(self, rows: pa.RecordBatch, hosts: NDArray[np.int32]) -> Split:
        """One part for each host that has rows in this batch.

        `hosts` gives the host of each of the 256 key groups; rows of a group whose host
        is `NOWHERE` are left out.
        """
        if not rows.num_rows:
            return Split((), [])
        column = rows.column("aggregate")
        self._learn(column.dictionary)
        self._rank(hosts)
        places = self._places[column.indices.to_numpy(zero_copy_only=False)]
        counts = np.bincount((places >> _GROUP).astype(np.intp), minlength=GROUPS)
        shares = counts[self._owners]
        left_out = rows.num_rows - int(shares.sum())
        order = self._order(places)[left_out:]
        ordered = rows
        if left_out or (order[1:] < order[:-1]).any():
            ordered = pc.take(rows, pa.array(order), boundscheck=False)
        sizes = np.add.reduceat(shares, self._borders).tolist() if len(shares) else []
        touched = tuple(np.flatnonzero(counts).tolist())
        groups = self._owned if len(touched) == GROUPS else self._by_host(touched)
        parts, start = [], 0
        for host, size in zip(self._owned, sizes, strict=True):
            if size:
                parts.append(Part(host, groups[host], ordered.slice(start, size)))
                start += size
        return Split(touched, parts)

    def _by_host(self, groups: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
        found: defaultdict[int, list[int]] = defaultdict(list)
        for group in groups:
            found[self._host_of[group]].append(group)
        return {host: tuple(those) for host, those in found.items()}

    def _learn(self, names: pa.Array) -> None:
        if _is_same(names, self._names):
            return
        texts = names.to_pylist()
        self._names = names
        self._groups = np.array([key_group(text) for text in texts], np.int32)
        self._by_name = np.array(sorted(range(len(texts)), key=texts.__getitem__), np.intp)
        self._hosts = b""

    def _rank(self, hosts: NDArray[np.int32]) -> None:
        """Place the names: ranked by host, then by name. Note which groups each host has."""
        if (now := hosts.tobytes()) == self._hosts:
            return
        self._hosts = now
        owners = np.argsort(hosts, kind="stable")[int((hosts == NOWHERE).sum()) :]
        self._owners = owners
        self._borders = np.flatnonzero(np.diff(hosts[owners], prepend=NOWHERE))
        self._host_of = hosts.tolist()
        self._owned = self._by_host(tuple(owners.tolist()))
        by_host = np.argsort(hosts[self._groups[self._by_name]], kind="stable")
        places = self._groups.astype(np.uint64) << np.uint64(_GROUP)
        places[self._by_name[by_host]] |= np.arange(len(by_host), dtype=np.uint64)
        self._places = places

    def _order(self, places: NDArray[np.uint64]) -> NDArray[np.intp]:
        """The rows by rank, stably: digit by digit, as NumPy has a radix sort for 16 bits alone."""
        order = np.argsort(places.astype(np.uint16), kind="stable")
        if len(self._names) > 1 << _DIGIT:
            high = (places >> _DIGIT).astype(np.uint16)
            order = order[np.argsort(high[order], kind="stable")]
        return order


def _is_same(names: pa.Array, others: pa.Array) -> bool:
    """Whether two arrays of text are the same; at once where they share their memory."""
    if len(names) != len(others):
        return False
    places = [
        [None if buffer is None else buffer.address for buffer in array.buffers()]
        for array in (names, others)
    ]
    if places[0] == places[1] and names.offset == others.offset:
        return True
    equal: bool = names.equals(others)
    return equal
