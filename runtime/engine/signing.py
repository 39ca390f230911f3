"""Signing what hosts decided: each decision alone, or a stream's decisions as one batch. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any

from runtime.engine.author import Sign
from runtime.engine.results import GroupResult, Results, Sealed
from runtime.events import split_decision_stream
from runtime.identity import Draft, seal, seal_batch

Drafts = tuple[tuple[int, tuple[Draft, ...]], ...]
"""Of each key group of a part: what was decided in it, in order, not signed yet."""


def sign(
    drafts: Drafts,
    keys: Mapping[str, Sign],
    spread: Callable[..., Any] = map,
    shares: int = 1,
    *,
    batch: bool = False,
) -> Results:
    """Sign all drafts, in their order; `keys` maps the name of an agent to its signing function.

    With `batch`, the drafts of a stream share one signature: the stored bytes then depend on
    which of its drafts are signed in one call, but the chain and the roots do not. `spread` maps
    a function over `shares` lists, as `map` does: the `map` of a thread pool signs on several
    cores, since signing needs no interpreter lock.
    """
    flat = [one for _, those in drafts for one in those]
    if batch:
        parts = spread(partial(_seal_streams, keys), _shared(_by_stream(flat), shares))
        signed = _in_order(chain.from_iterable(parts), flat)
    else:
        parts = spread(partial(_seal_each, keys), _shared(flat, shares))
        signed = chain.from_iterable(parts)
    return tuple(GroupResult(group, tuple(islice(signed, len(those)))) for group, those in drafts)


def _shared(work: Sequence[Any], shares: int) -> list[Sequence[Any]]:
    size = max(1, -(-len(work) // shares))
    return [work[start : start + size] for start in range(0, len(work), size)]


def _by_stream(drafts: Sequence[Draft]) -> list[list[Draft]]:
    streams: dict[str, list[Draft]] = {}
    for one in drafts:
        streams.setdefault(one.stream, []).append(one)
    return list(streams.values())


def _in_order(signed: Iterator[Sealed], drafts: Sequence[Draft]) -> Iterator[Sealed]:
    places = {(one.stream, one.revision): one for one in signed}
    return (places[one.stream, one.revision] for one in drafts)


def _seal_each(keys: Mapping[str, Sign], drafts: Sequence[Draft]) -> list[Sealed]:
    return [Sealed(one.stream, one.revision, seal(one, _key(one, keys))) for one in drafts]


def _seal_streams(keys: Mapping[str, Sign], streams: Sequence[Sequence[Draft]]) -> list[Sealed]:
    return [
        Sealed(one.stream, one.revision, event)
        for drafts in streams
        for one, event in zip(drafts, seal_batch(drafts, _key(drafts[0], keys)), strict=True)
    ]


def _key(draft: Draft, keys: Mapping[str, Sign]) -> Sign:
    return keys[split_decision_stream(draft.stream)[0]]
