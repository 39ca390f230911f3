from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.deciding import Decision
from runtime.engine.author import byline, new_chain, write_draft
from runtime.engine.results import GroupResult, Results
from runtime.engine.signing import Drafts, sign
from runtime.events import GENESIS, Cause, RecordedEvent, split_metadata
from runtime.identity import (
    SigningKey,
    Trust,
    check_stream,
    recorded_digest,
    recorded_message,
    run_root,
)

NAMES = ("scout", "forecaster")
SIGNERS = {name: SigningKey.demo(name) for name in NAMES}
KEYS = {name: key.sign for name, key in SIGNERS.items()}
TRUST = Trust({name: key.did for name, key in SIGNERS.items()}, {}, dict.fromkeys(NAMES, "run-1"))
LINES = {
    name: byline(name, key.did, "run-1", {"name": name}, ("AgentDecisionMade",))
    for name, key in SIGNERS.items()
}

group = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(("usdc", "dai", "eth"))), max_size=12
)
"""Agent and aggregate of each decision in a key group, in order."""

parts = st.lists(group, min_size=1, max_size=4)


def drafted(groups: Iterable[Iterable[tuple[str, str]]]) -> Drafts:
    """Drafts of decisions by these agents on these aggregates, of which each group has its own."""
    made = []
    for number, places in enumerate(groups):
        chain = cache(
            lambda agent, pool, number=number: new_chain(agent, f"{pool}{number}", GENESIS)
        )
        made.append(
            (
                number,
                tuple(
                    write_draft(
                        LINES[agent],
                        chain(agent, pool),
                        Decision("hold", 0.5),
                        Cause(f"cause-{number}-{row}", "rates", row, row, row, row),
                        0,
                        "aave",
                    )
                    for row, (agent, pool) in enumerate(places)
                ),
            )
        )
    return tuple(made)


def by_stream(results: Results) -> dict[str, list[RecordedEvent]]:
    streams: dict[str, list[RecordedEvent]] = {}
    for _, those, *_ in results:
        for one in those:
            streams.setdefault(one.stream, []).append(one.recorded())
    return streams


def root_of(results: Results) -> str:
    return run_root(
        {name: recorded_digest(those[-1]) for name, those in by_stream(results).items()}
    )


@given(parts, st.booleans())
def test_what_is_signed_keeps_its_order_and_verifies(groups: list[Any], batch: bool):
    drafts = drafted(groups)
    results = sign(drafts, KEYS, batch=batch)
    assert [(group, [one[:2] for one in those]) for group, those, *_ in results] == [
        (group, [(one.stream, one.revision) for one in those]) for group, those in drafts
    ]
    for stream, events in by_stream(results).items():
        assert check_stream(events, stream, TRUST) is None


@given(parts, st.integers(1, 9))
def test_a_stream_has_one_signature_in_a_batch_however_it_is_shared_out(
    groups: list[Any], shares: int
):
    drafts = drafted(groups)
    signed = []
    keys = {name: lambda m, key=key: signed.append(m) or key(m) for name, key in KEYS.items()}
    results = sign(drafts, keys, map, shares, batch=True)
    streams = by_stream(results)
    assert len(signed) == len(streams)
    for events in streams.values():
        assert len({recorded_message(event)[1][:64] for event in events}) == 1
    assert results == sign(drafts, KEYS, batch=True)


@given(parts)
def test_signing_in_batches_changes_nothing_but_signatures(groups: list[Any]):
    alone, batched = (sign(drafted(groups), KEYS, batch=batch) for batch in (False, True))
    assert root_of(alone) == root_of(batched)
    for (_, ones, *_), (_, others, *_) in zip(alone, batched, strict=True):
        for one, other in zip(ones, others, strict=True):
            assert one[:2] == other[:2]
            assert one.event[:3] == other.event[:3]
            mine, theirs = (split_metadata(each.event.metadata)[0] for each in (one, other))
            assert mine == theirs


def test_a_stream_that_decided_once_is_signed_the_same_either_way():
    drafts = drafted([[("scout", "usdc"), ("scout", "dai"), ("forecaster", "usdc")]])
    assert sign(drafts, KEYS, batch=True) == sign(drafts, KEYS)


@pytest.mark.parametrize("batch", [False, True])
def test_threads_sign_the_same(batch: bool):
    drafts = drafted([[("scout", "usdc"), ("forecaster", "usdc"), ("scout", "dai")] * 7] * 3)
    with ThreadPoolExecutor(3) as pool:
        assert sign(drafts, KEYS, pool.map, 3, batch=batch) == sign(drafts, KEYS, batch=batch)


@pytest.mark.parametrize("batch", [False, True])
def test_groups_without_decisions_are_answered_for(batch: bool):
    assert sign((), KEYS, batch=batch) == ()
    answered = sign(((3, ()), (5, ())), KEYS, map, 4, batch=batch)
    assert answered == (GroupResult(3, ()), GroupResult(5, ()))
