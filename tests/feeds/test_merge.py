from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import RowRejected
from runtime.feeds import Merge
from tests.feeds.samples import (
    Row,
    drain,
    judged,
    merge_of,
    merged,
    price_tape,
    taken,
)

ROWS = st.lists(
    st.builds(
        lambda name, time, delay, price: Row(name, time, time + delay, price),
        st.sampled_from("abc"),
        st.integers(1, 6),
        st.sampled_from([0, 0, 0, 0, 1, 2, -1]),
        st.sampled_from([1.0] * 8 + [-1.0, float("nan"), float("inf")]),
    ),
    min_size=1,
    max_size=14,
)
MOSTLY_SORTED = ROWS | ROWS.map(lambda rows: sorted(rows, key=lambda row: row.known))
TAPES = st.lists(MOSTLY_SORTED, min_size=1, max_size=3).map(
    lambda many: [(f"t{number}", rows) for number, rows in enumerate(many)]
)
POLICIES = st.sampled_from(["skip", "quarantine"])


def until_error(feed, limit):
    rows = []
    try:
        while (batch := feed.read(limit)) is not None:
            rows += batch.rows.to_pylist()
    except RowRejected as error:
        return rows, error
    return rows, None


@settings(max_examples=250)
@given(TAPES, POLICIES, st.integers(1, 6), st.lists(st.integers(1, 7), min_size=1, max_size=6))
def test_rows_do_not_depend_on_how_they_are_cut(tapes, policy, chunk, limits):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runtime.feeds.tape.CHUNK", chunk)
        feed = merge_of(tapes, policy)
        rows = []
        for number in range(1_000):
            batch = feed.read(limits[number % len(limits)])
            if batch is None:
                break
            rows += batch.rows.to_pylist()
    assert taken(rows) == merged(tapes, policy)
    assert [row["position"] for row in rows] == list(range(len(rows)))
    counts = Counter()
    for name, recorded in tapes:
        counts.update({(name, why): n for why, n in judged(recorded, policy)[1].items()})
    assert feed.rejected().counts == counts


@settings(max_examples=250)
@given(
    TAPES,
    POLICIES,
    st.integers(1, 6),
    st.lists(st.tuples(st.integers(1, 5), st.booleans()), min_size=1, max_size=8),
)
def test_seeking_again_and_again_changes_nothing(tapes, policy, chunk, steps):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runtime.feeds.tape.CHUNK", chunk)
        feed = merge_of(tapes, policy)
        whole = drain(merge_of(tapes, policy))
        rows = []
        for number in range(200):
            limit, again = steps[number % len(steps)]
            batch = feed.read(limit)
            if batch is None:
                break
            rows += batch.rows.to_pylist()
            if again:
                feed.close()
                feed = merge_of(tapes, policy)
                feed.seek(batch.cursor)
    assert rows == whole
    uninterrupted = merge_of(tapes, policy)
    drain(uninterrupted)
    assert feed.rejected().counts == uninterrupted.rejected().counts


@settings(max_examples=150)
@given(MOSTLY_SORTED, st.integers(1, 5), st.integers(1, 5))
def test_under_reject_all_rows_before_the_first_bad_one_are_handed_out(rows, chunk, limit):
    kept = judged(rows, "skip")[0]
    bad = next((number for number in range(len(rows)) if number not in kept), None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runtime.feeds.tape.CHUNK", chunk)
        feed = Merge([price_tape(rows, policy="reject")])
        seen, error = until_error(feed, limit)
    assert [number for _, number in taken(seen)] == kept[: len(kept) if bad is None else bad]
    assert f"row {bad} " in str(error) if error else bad is None


def test_an_error_is_raised_again_and_ends_no_feed_quietly():
    feed = Merge([price_tape([Row("a", 1, 1, 1.0), Row("a", 2, 2, -1.0)], policy="reject")])
    assert feed.read(9).rows.num_rows == 1
    for _ in range(3):
        with pytest.raises(RowRejected, match="row 1"):
            feed.read(9)


def test_what_comes_before_a_bad_row_of_another_feed_is_handed_out():
    good = [Row("x", time, time, 1.0) for time in (1, 2, 3, 4, 5, 6)]
    bad = [Row("y", 2, 2, 1.0), Row("y", 4, 4, 1.0), Row("y", 5, 5, -1.0)]
    feed = Merge([price_tape(good, "good"), price_tape(bad, "bad", "reject")])
    rows, error = until_error(feed, 2)
    assert "feed bad row 2" in str(error)
    assert [(row["source"], row["known_at"]) for row in rows] == [
        ("good", 1),
        ("good", 2),
        ("bad", 2),
        ("good", 3),
        ("good", 4),
        ("bad", 4),
    ]


def test_a_quarantined_aggregate_takes_no_healthy_one_with_it():
    rows = [Row("x", 1, 1, -1.0), Row("y", 2, 2, 1.0), Row("x", 9, 9, 1.0), Row("y", 3, 3, 1.0)]
    feed = Merge([price_tape(rows, policy="quarantine")])
    assert taken(drain(feed)) == [("prices", 1), ("prices", 3)]
    assert feed.rejected().counts == {("prices", "absurd"): 1, ("prices", "quarantined"): 1}


def test_equal_times_go_by_declaration_then_by_row():
    one = [Row("a", 1, 1, 1.0), Row("b", 1, 1, 1.0), Row("a", 2, 2, 1.0)]
    two = [Row("a", 1, 1, 1.0), Row("a", 2, 2, 1.0)]
    got = taken(drain(Merge([price_tape(two, "z"), price_tape(one, "a")]), 1))
    assert got == [("z", 0), ("a", 0), ("a", 1), ("z", 1), ("a", 2)]


def test_codes_of_text_mean_the_same_in_all_batches():
    rows = [Row(name, time, time, 1.0) for time, name in enumerate("abacbd")]
    feed = Merge([price_tape(rows)])
    known: dict[int, str] = {}
    while (batch := feed.read(1)) is not None:
        column = batch.rows.column("aggregate")
        code = column.indices[0].as_py()
        assert known.setdefault(code, column[0].as_py()) == column[0].as_py()
    assert sorted(known.values()) == ["a", "b", "c", "d"]


def test_a_cursor_is_small_json():
    rows = [Row(f"k{number % 7}", number, number, 1.0) for number in range(5_000)]
    feed = Merge([price_tape(rows)])
    batch = feed.read(4_000)
    assert len(batch.cursor) < 400
    assert json.loads(batch.cursor)["position"] == batch.end == 4_000


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit):
    with pytest.raises(ValueError, match="limit"):
        Merge([price_tape([Row("a", 1, 1, 1.0)])]).read(limit)


def test_a_closed_feed_hands_out_nothing():
    feed = Merge([price_tape([Row("a", 1, 1, 1.0)])])
    feed.close()
    feed.close()
    assert feed.read(1) is None
