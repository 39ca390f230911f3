"""What is parked in a stage, and what becomes of it."""

from __future__ import annotations

from runtime.engine.messages import HeldRead
from runtime.engine.quarantine import Quarantine
from runtime.engine.results import Freed, GroupResult, Parked, Who
from runtime.engine.simulation.feed import rows_of

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
