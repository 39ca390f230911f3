from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from runtime.errors import FeedDamaged, FeedError, RowRejected
from runtime.feeds import Merge, TapeSpec, table_tape
from tests.feeds.samples import Row, drain, price_spec, price_table, price_tape

SECOND = 1_000_000_000
MAY = 1_714_521_600


def times_of(column: pa.Array, unit: str) -> list[int]:
    table = pa.table({"a": ["x"] * len(column), "t": column, "p": [1.0] * len(column)})
    spec = price_spec(event_time={"column": "t", "unit": unit}, policy="skip")
    return [row["event_time"] for row in drain(Merge([table_tape(spec, table)]))]


@pytest.mark.parametrize(
    ("column", "unit", "expected"),
    [
        (pa.array([MAY]), "s", MAY * SECOND),
        (pa.array([float(MAY)]), "s", MAY * SECOND),
        (pa.array([MAY + 0.5]), "s", MAY * SECOND + SECOND // 2),
        (pa.array([MAY * 1000 + 1]), "ms", MAY * SECOND + 1_000_000),
        (pa.array([MAY * 1000.0 + 1]), "ms", MAY * SECOND + 1_000_000),
        (pa.array([str(MAY * SECOND + 1)]), "ns", MAY * SECOND + 1),
        (pa.array(["2024-05-01"]), "iso", MAY * SECOND),
        (pa.array(["2024-05-01 00:00:00"]), "iso", MAY * SECOND),
        (pa.array(["2024-05-01T02:00:00.000000001+02:00"]), "iso", MAY * SECOND + 1),
        (pa.array([MAY], pa.timestamp("s")), "ms", MAY * SECOND),
        (pa.array([MAY * 1000], pa.timestamp("ms", "Asia/Tokyo")), "iso", MAY * SECOND),
        (pa.array([MAY * SECOND], pa.timestamp("ns")), "s", MAY * SECOND),
        (pa.array([MAY // 86_400], pa.int32()).cast(pa.date32()), "iso", MAY * SECOND),
    ],
)
def test_times(column, unit, expected):
    assert times_of(column, unit) == [expected]


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        (pa.array([10**12], pa.timestamp("s")), "iso"),
        (pa.array([32_503_680_000_000_000], pa.timestamp("us")), "iso"),
        (pa.array([2**63 + 5], pa.uint64()), "ns"),
        (pa.array(["9999999999999999999"]), "ns"),
        (pa.array([MAY * 10**9]), "s"),
        (pa.array([-1]), "s"),
        (pa.array(["soon"]), "iso"),
        (pa.array(["2024-02-30"]), "iso"),
        (pa.array(["1500-01-01", "2500-01-01"]), "iso"),
        (pa.array(["0001-01-01T00:00:00+14:00"]), "iso"),
        (pa.array([None], pa.int64()), "s"),
        (pa.array([float("nan")]), "s"),
        (pa.array([{"q": 1}]), "s"),
    ],
)
def test_times_that_are_none(column, unit):
    assert times_of(column, unit) == []


@pytest.mark.parametrize("neighbour", ["", "1.5", "soon", "1.7e18"])
def test_a_time_does_not_depend_on_its_neighbours(neighbour):
    exact = MAY * SECOND + 1
    assert exact in times_of(pa.array([str(exact), neighbour]), "ns")
    assert MAY * SECOND + 1_000_000 in times_of(pa.array([str(MAY * 1000 + 1), neighbour]), "ms")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([Row("a", 1, 1, float("nan"))], ["'p'", "no value"]),
        ([Row("a", 1, 1, float("inf"))], ["'p'", "inf", "finite"]),
        ([Row("a", 1, 1, -3.0)], ["'p'", "-3", "not above 0", "low"]),
        ([Row("a", 1, 1, 1e13)], ["'p'", "1e+13", "above 1e+12", "high"]),
        ([Row("", 1, 1, 1.0)], ["aggregate"]),
        ([Row("a b", 1, 1, 1.0)], ["'a b'", "aggregate"]),
        ([Row("a", 5, 4, 1.0)], ["before its event time"]),
        ([Row("a", 5, 5, 1.0), Row("b", 4, 4, 1.0)], ["row 1", "sort"]),
        ([Row("a", 5, 5, 1.0), Row("b", 5, 5, 1.0), Row("a", 5, 5, 2.0)], ["row 2", "repeats"]),
    ],
)
def test_a_refused_row_says_what_and_where(rows, said):
    with pytest.raises(RowRejected) as caught:
        drain(Merge([price_tape(rows, policy="reject")]))
    text = str(caught.value)
    assert "prices" in text
    assert "policy" in text
    for part in said:
        assert part in text


def test_a_rate_that_looks_like_percent_is_told_so():
    table = pa.table({"t": [1], "r": [3.7]})
    declared = {
        "name": "rates",
        "event_type": "PoolRateObserved",
        "aggregate_name": "usdc",
        "event_time": {"column": "t", "unit": "s"},
    }
    plain = TapeSpec(**declared, columns={"rate": "r"})
    with pytest.raises(RowRejected, match=r"3\.7.*above 2.*unit = 'percent'"):
        drain(Merge([table_tape(plain, table)]))
    percent = TapeSpec(**declared, columns={"rate": {"column": "r", "unit": "percent"}})
    assert drain(Merge([table_tape(percent, table)]))[0]["rate"] == pytest.approx(0.037)
    wide = TapeSpec(**declared, columns={"rate": {"column": "r", "high": 5.0}})
    assert drain(Merge([table_tape(wide, table)]))[0]["rate"] == 3.7


@pytest.mark.parametrize("column", [pa.array([{"q": 1}]), pa.array([[1]]), pa.array([b"\xff"])])
@pytest.mark.parametrize("place", ["a", "t", "p"])
def test_a_column_of_another_kind_is_a_feed_error(column, place):
    columns = {"a": pa.array(["x"]), "t": pa.array([1]), "p": pa.array([1.0])} | {place: column}
    with pytest.raises(FeedError):
        drain(Merge([table_tape(price_spec(), pa.table(columns))]))


def test_text_where_numbers_are_expected_names_the_first_culprit():
    table = pa.table({"a": ["x", "x"], "t": [1, 2], "p": ["1.5", "cheap"]})
    with pytest.raises(RowRejected, match=r"row 1.*'cheap'"):
        drain(Merge([table_tape(price_spec(), table)]))


def test_structs_cannot_name_aggregates():
    table = pa.table({"a": pa.array([{"q": 1}]), "t": [1], "p": [1.0]})
    with pytest.raises(FeedDamaged):
        drain(Merge([table_tape(price_spec(), table)]))


def test_selected_rows_keep_their_numbers():
    rows = [Row("a", 1, 1, 1.0), Row("b", 2, 2, -1.0), Row("a", 3, 3, 1.0)]
    spec = price_spec(select={"a": ["a"]})
    assert [row["row"] for row in drain(Merge([table_tape(spec, price_table(rows))]))] == [0, 2]


def test_a_delay_moves_what_is_known_and_not_the_event():
    spec = price_spec(known_after="1h")
    row = drain(Merge([table_tape(spec, price_table([Row("a", 5, 5, 1.0)]))]))[0]
    assert row["known_at"] - row["event_time"] == 3_600 * SECOND


def test_aggregates_are_joined_and_constants_filled_in():
    table = pa.table({"n": [1, 2], "s": ["x", "y"], "t": [1, 2], "p": [1.0, 2.0]})
    columns = {"price": "p", "symbol": {"value": "ETH"}, "size": {"value": 2.0}}
    spec = price_spec(aggregate=["n", "s"], columns=columns)
    rows = drain(Merge([table_tape(spec, table)]))
    assert [row["aggregate"] for row in rows] == ["1:x", "2:y"]
    assert {(row["symbol"], row["size"]) for row in rows} == {("ETH", 2.0)}


def test_the_list_of_refused_rows_is_bounded():
    rows = [Row("a", time, time, -1.0) for time in range(1_500)]
    feed = Merge([price_tape(rows)])
    assert drain(feed) == []
    report = feed.rejected()
    assert report.counts == {("prices", "absurd"): 1_500}
    assert [row.row for row in report.rows] == list(range(1_000))


def test_the_digest_of_a_table_is_that_of_its_content():
    table = price_table([Row("a", time, time, 1.0) for time in range(10)])
    split = pa.concat_tables([table.slice(0, 3), table.slice(3)])
    other = price_table([Row("a", time, time, 2.0) for time in range(10)])
    one, two, three = (
        Merge([table_tape(price_spec(), each)]).digests() for each in (table, split, other)
    )
    assert one == two != three


def test_a_million_rows_are_read_in_order():
    count = 1_000_000
    names = pa.array([f"p{number}" for number in range(64)])
    table = pa.table(
        {
            "a": names.take(pa.array(np.arange(count) % 64)),
            "t": np.arange(count) * SECOND,
            "p": np.arange(count) + 1.0,
        }
    )
    feed, end = Merge([table_tape(price_spec(), table)]), 0
    while (batch := feed.read(65_536)) is not None:
        assert batch.rows.column("row")[0].as_py() == end
        end = batch.end
    assert end == count
