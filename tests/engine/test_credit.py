from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.engine.credit import CreditLimits, CreditWindow
from runtime.errors import ConfigError

sizes = st.integers(1, 200)
limits = st.builds(CreditLimits, st.integers(1, 50), st.integers(1, 2_000), st.integers(1, 20))


@pytest.mark.parametrize("name", ["events", "bytes", "batch"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_of_nothing_is_refused(name: str, value: int):
    with pytest.raises(ConfigError, match=f"credit.{name} must be at least 1, was {value}"):
        CreditLimits(**{name: value})


@given(limits, st.lists(st.tuples(sizes, st.booleans()), max_size=60))
def test_unfinished_work_stays_within_the_limits(
    bounds: CreditLimits, steps: list[tuple[int, bool]]
):
    window = CreditWindow(bounds, 1)
    taken: list[tuple[int, int]] = []
    largest = 0
    for size, give in steps:
        room = window.room()
        assert 0 <= room <= bounds.batch
        if room and not give:
            taken.append((room, room * size))
            largest = max(largest, room * size)
            window.take(*taken[-1])
        elif taken:
            window.give(*taken.pop(0))
        stats = window.stats()
        assert stats.events == sum(events for events, _ in taken) <= bounds.events
        assert stats.bytes == sum(used for _, used in taken) < bounds.bytes + max(largest, 1)
        assert stats.peak_events <= bounds.events


@given(limits)
def test_there_is_room_as_long_as_nothing_is_under_way(bounds: CreditLimits):
    assert CreditWindow(bounds, 10**9).room() >= 1
    window = CreditWindow(bounds, 1)
    while room := window.room():
        window.take(room, room)
    used = window.stats()
    window.give(used.events, used.bytes)
    assert window.room() >= 1
    assert (window.stats().events, window.stats().bytes) == (0, 0)


def test_events_are_estimated_from_those_seen_before():
    window = CreditWindow(CreditLimits(events=1_000, bytes=1_000, batch=1_000), 1)
    window.take(10, 500)
    assert window.room() == 10
    window.take(0, 0)
    assert window.room() == 10
    window.give(10, 500)
    assert window.room() == 20
