"""When hosts are started beside those that work."""

from __future__ import annotations

from runtime.engine.commands import Command, StartHost
from runtime.engine.roster import Pooling, Roster


def started(commands: list[Command]) -> list[int]:
    return [command.host for command in commands if isinstance(command, StartHost)]


def working(count: int, *, nodes: int = 1, grace: float = 10.0) -> Roster:
    """A roster whose hosts are there, spread over so many nodes."""
    roster = Roster(Pooling(count, grace=grace))
    assert started(roster.fill()) == list(range(count)), "the first are started at once"
    for host in range(count):
        assert not roster.ready(host, f"10.0.0.{host % nodes}:{host}")
    return roster


def test_hosts_are_started_one_at_a_time_beside_those_of_one_node():
    roster = working(4)
    assert started(roster.scale(7)) == [4]
    assert not roster.fill()
    assert not roster.ready(4, "10.0.0.0:4"), "key groups are handed over to it first"
    assert started(roster.fill()) == [5]


def test_hosts_are_started_one_for_each_node_that_others_are_on():
    assert started(working(6, nodes=3).scale(12)) == [6, 7, 8]


def test_no_more_than_half_as_many_are_started_as_there_are():
    assert started(working(4, nodes=4).scale(12)) == [4, 5]


def test_one_that_is_late_is_not_waited_for():
    roster = working(2, grace=10.0)
    assert started(roster.scale(5)) == [2]
    roster.tick(9.9)
    assert not roster.fill()
    roster.tick(10.0)
    assert started(roster.fill()) == [3]
    assert not roster.fill()


def test_one_that_replaces_another_does_not_wait():
    roster = working(2)
    assert started(roster.scale(5)) == [2]
    assert started(roster.drop(0)) == [3]
