"""Cutting a batch into one part a host, without an object a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runtime.engine.keygroups import GROUPS, key_group


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of a batch for one host, sorted by aggregate, and the key groups they touch.

    The sort is stable: the rows of an aggregate keep their order.
    """

    host: int
    groups: tuple[int, ...]
    rows: pa.RecordBatch


class Partitioner:
    """Cuts batches by the key group of their `aggregate` column (dictionary of text).

    Each distinct key is hashed once, as long as batches share a dictionary.
    """

    def __init__(self, hosts: NDArray[np.int32]) -> None:
        self._hosts = hosts
        self._names: pa.Array = pa.array([], pa.string())
        self._groups: NDArray[np.int32] = np.empty(0, np.int32)
        self._ranks: NDArray[np.int32] = np.empty(0, np.int32)

    def split(self, rows: pa.RecordBatch) -> list[Part]:
        """One part for each host that has rows in this batch."""
        if not rows.num_rows:
            return []
        column = rows.column("aggregate")
        self._learn(column.dictionary)
        codes = column.indices.to_numpy(zero_copy_only=False)
        ranks = self._ranks[codes]
        order = np.argsort(ranks, kind="stable")
        groups = self._groups[codes]
        ordered = rows.take(pa.array(order))
        hosts = self._hosts[groups]
        counts = np.bincount(hosts)
        parts, start = [], 0
        for host in np.flatnonzero(counts).tolist():
            count = int(counts[host])
            touched = np.bincount(groups[hosts == host], minlength=GROUPS)
            parts.append(
                Part(host, tuple(np.flatnonzero(touched).tolist()), ordered.slice(start, count))
            )
            start += count
        return parts

    def _learn(self, names: pa.Array) -> None:
        if names.equals(self._names):
            return
        texts = names.to_pylist()
        self._names = names
        self._groups = np.array([key_group(text) for text in texts], np.int32)
        by_host = sorted(range(len(texts)), key=lambda i: (self._hosts[self._groups[i]], texts[i]))
        kind = np.uint16 if len(texts) < 65_536 else np.int32
        self._ranks = np.empty(len(texts), kind)
        self._ranks[by_host] = np.arange(len(texts))
