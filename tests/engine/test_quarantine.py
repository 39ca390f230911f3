"""What is parked in a stage, and what becomes of it."""

from __future__ import annotations

import pytest

from runtime.engine.messages import HeldRead
from runtime.engine.quarantine import InQuarantine, Quarantine
from runtime.engine.results import Advanced, Freed, GroupResult, Parked, Who
from runtime.engine.simulation.feed import rows_of
from runtime.errors import ReplayDiverged

ONE, OTHER = Who("one", "a"), Who("other", "a")


def parked(position: int, *, after: float = 0.0, attempts: int = 0) -> GroupResult:
    case = Parked(ONE, position, "it raises", "", b"", b"", after, attempts)
    return GroupResult(0, (), (case,), ())


def released(quarantine: Quarantine, seq: int) -> None:
    """Have a release of two events sent as batch `seq`."""
    read = quarantine.begin("stage", 100)
    assert read is not None
    quarantine.send(HeldRead("stage", read.who, (rows_of(["a", "a"], [0, 1]),)), seq, 100)


def test_an_event_that_kills_leaves_alone_who_was_parked_before_it() -> None:
    quarantine = Quarantine()
    quarantine.accept(0, parked(6), 0.0)
    (notice,) = quarantine.convict([ONE, OTHER], 15, rows_of(["a"], [15]))
    assert isinstance(notice, Parked)
    assert (notice.who, notice.position) == (OTHER, 15)
    assert {who: entry.position for who, entry in quarantine.entries.items()} == {ONE: 6, OTHER: 15}


def test_a_stage_rests_until_a_release_is_settled() -> None:
    quarantine = Quarantine()
    quarantine.accept(0, parked(0), 0.0)
    quarantine.reach(2)
    assert not quarantine.holding
    quarantine.ask(ONE, drop=False)
    released(quarantine, 5)
    quarantine.accept(5, GroupResult(0, ()), 0.0)
    assert quarantine.holding
    assert quarantine.settle(5, 0.0) == (Freed(ONE),)
    assert not quarantine.holding


def test_an_event_has_attempts_of_its_own() -> None:
    quarantine = Quarantine()
    quarantine.accept(0, parked(0, after=1.0, attempts=1), 0.0)
    quarantine.reach(2)
    quarantine.tick(1.0)
    released(quarantine, 5)
    quarantine.accept(5, parked(1, after=1.0, attempts=1), 1.0)
    quarantine.settle(5, 1.0)
    assert quarantine.waiting, "the first event took the only attempt of its own"


def test_what_waited_to_be_tried_again_is_tried_at_once_by_the_next_process() -> None:
    left = InQuarantine(ONE, 0, 1, tries=2, again=True)
    quarantine = Quarantine([left, InQuarantine(OTHER, 0, 1, tries=3)])
    assert quarantine.waiting
    quarantine.tick(50.0)
    assert not quarantine.holding, "what was held has not been read again"
    quarantine.reach(2)
    assert quarantine.holding
    released(quarantine, 5)
    quarantine.accept(5, parked(0, after=1.0, attempts=5), 50.0)
    (again,) = quarantine.settle(5, 50.0)
    assert isinstance(again, Parked)
    assert again.tries == 3
    assert quarantine.entries[ONE].due == 50.0 + 1.0 * 2**3
    assert quarantine.entries[OTHER].tries == 3


@pytest.mark.parametrize(
    ("drop", "raises_at", "gone"), [(False, 0, 0), (False, 1, 1), (True, 1, 1)]
)
def test_a_release_that_ends_tells_how_many_events_are_no_longer_held(
    raises_at: int, gone: int, *, drop: bool
) -> None:
    quarantine = Quarantine()
    quarantine.accept(0, parked(0), 0.0)
    quarantine.reach(2)
    quarantine.ask(ONE, drop=drop)
    released(quarantine, 5)
    quarantine.accept(5, parked(raises_at), 0.0)
    (again,) = quarantine.settle(5, 0.0)
    assert isinstance(again, Parked)
    assert (again.position, again.gone) == (raises_at, gone)


def test_a_release_in_parts_tells_how_many_events_are_no_longer_held() -> None:
    quarantine = Quarantine()
    quarantine.accept(0, parked(0), 0.0)
    quarantine.reach(9)
    quarantine.ask(ONE, drop=False)
    read = quarantine.begin("stage", 2)
    assert read is not None
    rows = rows_of(["a"] * 4, [0, 2, 5, 7])
    quarantine.send(HeldRead("stage", read.who, (rows,)), 5, 2)
    quarantine.accept(5, GroupResult(0, ()), 0.0)
    assert quarantine.settle(5, 0.0) == (Advanced(ONE, 5, 2),)


def test_what_was_decided_on_and_is_raised_on_when_it_is_given_again_is_told() -> None:
    quarantine = Quarantine()
    again = parked(3).parked
    with pytest.raises(ReplayDiverged, match=r"agent 'one' decided on 'a' .* at position 3 .*\(it"):
        quarantine.check(again)
    quarantine.accept(0, parked(3), 0.0)
    quarantine.check(again)


def test_nothing_is_gone_where_hosts_die_on_a_release_without_its_first_event() -> None:
    quarantine = Quarantine()
    quarantine.accept(0, parked(0), 0.0)
    quarantine.reach(2)
    quarantine.ask(ONE, drop=True)
    released(quarantine, 5)
    quarantine.accept(5, GroupResult(0, (), quarantine.give_up(rows_of(["a"], [1]))), 0.0)
    (again,) = quarantine.settle(5, 0.0)
    assert isinstance(again, Parked)
    assert (again.position, again.gone) == (0, 0)
