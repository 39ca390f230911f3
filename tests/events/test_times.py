from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.events import NANOSECONDS, parse_time, time_text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(-(2**63), 2**63 - 1)
"""What int64 nanoseconds can hold: 1677 to 2262."""


@given(INSTANTS)
def test_a_time_survives_its_text(ns: int):
    text = time_text(ns)
    assert parse_time(text) == ns
    assert len(text) == len("2023-11-14T22:13:20.000000001Z")


@given(INSTANTS, INSTANTS)
def test_texts_sort_like_their_times(one: int, two: int):
    assert (time_text(one) < time_text(two)) == (one < two)


@given(ns=INSTANTS, minutes=st.integers(-23 * 60 - 59, 23 * 60 + 59), mark=st.sampled_from("T "))
def test_a_zone_only_moves_the_clock(ns: int, minutes: int, mark: str):
    seconds, fraction = divmod(ns, NANOSECONDS)
    there = EPOCH + timedelta(seconds=seconds, minutes=minutes)
    hours, rest = divmod(abs(minutes), 60)
    zone = f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"
    assert parse_time(f"{there:%Y-%m-%d{mark}%H:%M:%S}.{fraction:09d}{zone}") == ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00:00", 0),
        ("1970-01-01 00:00:01Z", NANOSECONDS),
        ("1970-01-01T00:00:00.1Z", 100_000_000),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("2000-02-29", 951_782_400 * NANOSECONDS),
        ("2016-12-31T23:59:59Z", 1_483_228_799 * NANOSECONDS),
        ("2017-01-01T00:00:00Z", 1_483_228_800 * NANOSECONDS),
    ],
)
def test_what_is_left_out_is_midnight_utc_and_no_fraction(text: str, ns: int):
    assert parse_time(text) == ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2023",
        "2023-11",
        "14.11.2023",
        "2023-11-14T22:13",
        "2023-11-14T22:13:20.Z",
        "2023-11-14T22:13:20.0000000001Z",
        "2023-11-14t22:13:20z",
        "2023-11-14T22:13:20+0100",
        "2023-11-14T22:13:20+24:00",
        "2023-11-14T22:13:20Z ",
        "2023-11-14T22:13:20Z\n",
        "2023-02-29",
        "2023-13-01",
        "2023-11-14T24:00:00Z",
        "2016-12-31T23:59:60Z",
        "+2023-11-14",
        "\uff12\uff10\uff12\uff13-11-14",
        "2023-11-14T22:13:20.\u0967Z",
    ],
)
def test_what_is_no_time_is_refused(text: str):
    with pytest.raises(ValueError):  # noqa: PT011 (of several origins)
        parse_time(text)
