"""What the supervisor orders, message by message. Whole runs: tests/simulation."""

from __future__ import annotations

from typing import TypeVar

import pytest

from runtime.engine.commands import (
    Advance,
    Command,
    Commit,
    Finish,
    Forget,
    Pull,
    ReadHeld,
    ReadState,
    Restore,
    Send,
    StartHost,
    StopHost,
    Switch,
    TakeSnapshot,
)
from runtime.engine.credit import CreditLimits
from runtime.engine.keygroups import assignment, key_group
from runtime.engine.messages import (
    BatchArrived,
    Committed,
    DrainRequested,
    FeedEnded,
    FeedIdle,
    FeedReady,
    HeldRead,
    HostAnswered,
    HostLost,
    HostReady,
    HostRefused,
    Message,
    ReleaseRequested,
    ResumeRequested,
    ScaleTo,
    SnapshotTaken,
    StateRead,
    StopRequested,
    Tick,
    UpgradeRequested,
    UpgradeWithdrawn,
)
from runtime.engine.results import GroupResult, Held, Parked, Release, Who
from runtime.engine.roster import START_ATTEMPTS, Pooling
from runtime.engine.simulation.feed import rows_of
from runtime.engine.spec import StageSpec
from runtime.engine.supervisor import NEVER, Supervisor
from runtime.errors import ConfigError, HostDied, ReplayDiverged, StateInvalid
from runtime.events import StrategyUpgraded

KEYS = [f"key-{number}" for number in range(40)]
T = TypeVar("T")


class Driven:
    """A supervisor of one stage, or of others; remembers what it ordered last."""

    def __init__(self, pooling: Pooling, snapshot_events: int = 1000, *others: str) -> None:
        specs = [StageSpec(name, agents=(name,)) for name in ("one", *others)]
        limits = CreditLimits(200, 10**6, 40)
        self.supervisor = Supervisor(specs, pooling, limits, snapshot_events=snapshot_events)
        self.last: list[Command] = self.supervisor.start(-1)

    def tell(self, *messages: Message) -> list[Command]:
        self.last = [c for message in messages for c in self.supervisor.handle(message)]
        return self.last

    def ordered(self, kind: type[T]) -> list[T]:
        return [command for command in self.last if isinstance(command, kind)]

    def staffed(self) -> Driven:
        self.tell(*[HostReady(start.host) for start in self.ordered(StartHost)])
        return self

    def batch(self, keys: list[str], end: int, *, age: float = 0.0, waiting: int = 0) -> list[Send]:
        rows = rows_of(keys, list(range(end - len(keys), end)))
        self.tell(BatchArrived("one", rows, end, str(end), age=age, waiting=waiting))
        return self.ordered(Send)


def answer(send: Send) -> HostAnswered:
    groups = sorted({key_group(key) for key in send.rows.column("aggregate").to_pylist()})
    results = tuple(GroupResult(group, ()) for group in groups)
    return HostAnswered(send.stage, send.seq, send.host, send.ticket, results)


def taken(command: TakeSnapshot) -> SnapshotTaken:
    parts = dict.fromkeys(command.groups, b"state")
    return SnapshotTaken(command.stage, command.barrier, command.host, command.ticket, parts)


def test_nothing_is_read_before_the_hosts_are_there():
    driven = Driven(Pooling(2))
    assert [start.host for start in driven.ordered(StartHost)] == [0, 1]
    assert not driven.ordered(Pull)
    driven.tell(HostReady(1))
    assert not driven.ordered(Pull)
    driven.tell(HostReady(0))
    assert [restore.host for restore in driven.ordered(Restore)] == [0, 1]
    assert driven.ordered(Pull) == [Pull("one", 40)]


def test_a_host_that_does_not_come_is_left_out_until_it_does():
    driven = Driven(Pooling(2, grace=5.0))
    driven.tell(HostReady(0), Tick(4.0))
    assert not driven.ordered(Pull)
    driven.tell(Tick(5.0))
    assert driven.ordered(Pull)
    assert {send.host for send in driven.batch(KEYS, 40)} == {0}
    driven.tell(HostReady(1))
    assert driven.ordered(TakeSnapshot), "groups move behind a snapshot"


def test_a_group_does_not_wait_for_another():
    driven = Driven(Pooling(2)).staffed()
    sends = driven.batch(KEYS, 40)
    assert len(sends) == 2
    assert not driven.supervisor.stats()["one"].decisions
    driven.tell(answer(sends[1]))
    assert not driven.ordered(Commit), "nothing was decided, and the batch is not done"
    driven.tell(answer(sends[0]))
    assert [commit.checkpoint for commit in driven.ordered(Commit)] == [
        '{"feed": "40", "position": 40}'
    ]


def test_history_is_sent_ahead_and_what_has_just_come_is_not():
    driven = Driven(Pooling(2)).staffed()
    driven.batch(KEYS, 40)
    assert driven.ordered(Pull), "a host need not wait for its next part"
    driven.batch(KEYS, 80, age=0.5, waiting=7)
    assert not driven.ordered(Pull), "two parts each are enough"

    live = Driven(Pooling(2)).staffed()
    sends = live.batch(KEYS, 40, age=0.001)
    assert not live.ordered(Pull), "meanwhile a batch gathers"
    live.tell(answer(sends[0]))
    assert live.ordered(Pull)


def test_what_a_lost_host_had_is_given_to_the_one_that_replaces_it():
    driven = Driven(Pooling(2)).staffed()
    first = driven.batch(KEYS, 40)
    driven.tell(*map(answer, first))
    second = driven.batch(KEYS, 80)
    driven.tell(HostLost(1))
    assert driven.ordered(StopHost) == [StopHost(1, gently=False)]
    assert [start.host for start in driven.ordered(StartHost)] == [2]
    third = driven.batch(KEYS, 120)
    assert {send.host for send in third} == {0}, "the other host goes on"
    driven.tell(HostReady(2))
    again = [send for send in driven.ordered(Send) if send.host == 2]
    assert [(send.seq, send.mute) for send in again] == [(0, True), (1, False), (2, False)]
    assert again[1].rows.equals(next(send for send in second if send.host == 1).rows)
    driven.tell(answer(second[0]), *map(answer, again[1:]), *map(answer, third))
    assert [commit.number for commit in driven.ordered(Commit)][-1] == 2


def test_what_a_lost_host_says_after_its_death_counts_no_more():
    driven = Driven(Pooling(1)).staffed()
    (sent,) = driven.batch(["a"], 1)
    driven.tell(HostLost(0))
    assert not [c for c in driven.tell(answer(sent)) if isinstance(c, Commit)]


def test_a_spare_takes_over_at_once():
    driven = Driven(Pooling(1, spares=1), snapshot_events=1).staffed()
    (sent,) = driven.batch(["a"], 1)
    (snapshot,) = driven.ordered(TakeSnapshot)
    driven.tell(answer(sent), taken(snapshot))
    driven.tell(Committed(1, 0))
    (spare,) = driven.ordered(StartHost)
    driven.tell(HostReady(spare.host))
    driven.tell(HostLost(0))
    assert [(restore.host, restore.stored) for restore in driven.ordered(Restore)] == [
        (spare.host, True)
    ]
    assert len(driven.ordered(StartHost)) == 1, "another spare is started"


def test_a_host_that_hangs_is_ended_and_replaced():
    driven = Driven(Pooling(1, deadline=10.0)).staffed()
    driven.tell(Tick(100.0))
    driven.batch(["a"], 1)
    driven.tell(Tick(109.0))
    assert not driven.ordered(StopHost)
    driven.tell(Tick(110.0))
    assert driven.ordered(StopHost) == [StopHost(0, gently=False)]
    assert driven.ordered(StartHost) == [StartHost(1)]


def test_a_host_that_is_idle_does_not_hang():
    driven = Driven(Pooling(1, deadline=10.0)).staffed()
    (sent,) = driven.batch(["a"], 1)
    driven.tell(answer(sent), Tick(1000.0))
    assert not driven.ordered(StopHost)


def test_hosts_that_never_start_end_the_run():
    driven = Driven(Pooling(1))
    delays = []
    for host in range(START_ATTEMPTS - 1):
        driven.tell(HostLost(host))
        delays.append(driven.ordered(StartHost)[0].after)
    with pytest.raises(HostDied, match="hosts in a row died"):
        driven.tell(HostLost(START_ATTEMPTS - 1))
    assert delays == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0]


def test_another_host_is_started_once_key_groups_have_been_handed_over():
    driven = Driven(Pooling(2)).staffed()
    sends = driven.batch(KEYS, 40)
    driven.tell(*map(answer, sends))
    driven.tell(ScaleTo(4))
    driven.tell(HostReady(2), Tick(0.25))
    assert not driven.ordered(StartHost)
    driven.tell(*map(taken, driven.ordered(TakeSnapshot)))
    (commit,) = driven.ordered(Commit)
    driven.tell(Committed(commit.number, 0))
    assert driven.ordered(Restore)
    driven.tell(Tick(0.5))
    assert driven.ordered(StartHost) == [StartHost(3)]


def test_groups_move_behind_a_snapshot_and_nowhere_else():
    driven = Driven(Pooling(2)).staffed()
    sends = driven.batch(KEYS, 40)
    driven.tell(*map(answer, sends))
    driven.tell(ScaleTo(3))
    assert driven.ordered(StartHost) == [StartHost(2)]
    assert not driven.ordered(TakeSnapshot), "the flow goes on until the host is there"
    driven.tell(HostReady(2))
    snapshots = driven.ordered(TakeSnapshot)
    driven.tell(*map(taken, snapshots))
    (commit,) = driven.ordered(Commit)
    driven.tell(Committed(commit.number, 0))
    (restore,) = driven.ordered(Restore)
    moved = {g for g in range(256) if assignment(range(3))[g] == 2}
    assert (restore.host, set(restore.groups), restore.stored) == (2, moved, True)
    assert {g for forget in driven.ordered(Forget) for g in forget.groups} == moved
    assert not driven.ordered(Send), "the snapshot reflects all there was"


def test_a_host_that_is_not_wanted_any_more_ends_when_it_has_answered():
    driven = Driven(Pooling(2)).staffed()
    sends = driven.batch(KEYS, 40)
    driven.tell(ScaleTo(1))
    driven.tell(*map(taken, driven.ordered(TakeSnapshot)))
    assert not driven.ordered(StopHost)
    driven.tell(*map(answer, sends))
    numbers = [commit.number for commit in driven.ordered(Commit)]
    driven.tell(Committed(numbers[-1], 0))
    assert driven.ordered(StopHost) == [StopHost(1)]
    assert {send.host for send in driven.batch(KEYS, 80)} == {0}


def test_more_hosts_than_keys_are_legal():
    driven = Driven(Pooling(50)).staffed()
    (sent,) = driven.batch(["a", "a"], 2)
    driven.tell(answer(sent), FeedEnded("one"))
    (commit,) = [c for c in driven.tell(Committed(0, 0)) if isinstance(c, TakeSnapshot)]
    assert commit.host == sent.host


def test_a_drained_run_takes_nothing_in_until_it_is_resumed():
    driven = Driven(Pooling(1)).staffed()
    (sent,) = driven.batch(["a"], 1)
    driven.tell(DrainRequested(), FeedIdle("one", -1), answer(sent), Committed(0, 0))
    assert driven.supervisor.phase == "drained"
    assert not driven.ordered(Pull)
    assert not driven.ordered(Finish)
    driven.tell(ResumeRequested())
    assert driven.supervisor.phase == "running"


def test_a_run_that_is_stopped_finishes_what_it_took_in():
    driven = Driven(Pooling(1)).staffed()
    (sent,) = driven.batch(["a"], 1)
    driven.tell(StopRequested(), FeedIdle("one"), answer(sent))
    driven.tell(Committed(0, 0))
    (snapshot,) = driven.ordered(TakeSnapshot)
    driven.tell(taken(snapshot))
    assert driven.tell(Committed(1, 0)) == [Finish(completed=False)]


def test_a_run_that_is_stopped_before_it_has_hosts_ends():
    driven = Driven(Pooling(2))
    assert driven.tell(StopRequested()) == [Finish(completed=False)]


def test_a_later_stage_is_told_only_what_is_durable():
    stages = [StageSpec("up"), StageSpec("down", ("up",))]
    supervisor = Supervisor(stages, Pooling(1), CreditLimits())
    assert Advance("down", 0, -1, ended=False) in supervisor.start(-1)
    supervisor.handle(HostReady(0))
    supervisor.handle(FeedIdle("down", 0))
    sent = supervisor.handle(BatchArrived("up", rows_of(["a"], [0]), 1, ""))
    (send,) = [command for command in sent if isinstance(command, Send)]
    commands = supervisor.handle(answer(send))
    assert not [command for command in commands if isinstance(command, Advance)]
    commands = supervisor.handle(Committed(0, 17))
    assert Advance("down", 1, 17, ended=False) in commands
    assert Advance("down", NEVER, 17, ended=True) in supervisor.handle(FeedEnded("up"))


def test_an_idle_feed_that_was_told_more_meanwhile_is_asked_again():
    stages = [StageSpec("up", position=5), StageSpec("down", ("up",))]
    supervisor = Supervisor(stages, Pooling(1), CreditLimits())
    assert Advance("down", 5, -1, ended=False) in supervisor.start(-1)
    supervisor.handle(HostReady(0))
    assert Advance("down", NEVER, -1, ended=True) in supervisor.handle(FeedEnded("up"))
    asked = supervisor.handle(FeedIdle("down", watermark=5))
    assert [command.stage for command in asked if isinstance(command, Pull)] == ["down"]


def test_a_block_is_asked_for_however_large_the_events_before_it_were():
    spec = StageSpec("one", block=40)
    limits = CreditLimits(200, 4_000, 40)
    supervisor = Supervisor([spec], Pooling(1), limits, snapshot_events=1000)
    (start,) = supervisor.start(-1)
    assert isinstance(start, StartHost)
    assert Pull("one", 40) in supervisor.handle(HostReady(start.host))
    arrived = supervisor.handle(BatchArrived("one", rows_of(["a" * 2_000], [0]), 40, "40"))
    (send,) = [command for command in arrived if isinstance(command, Send)]
    assert not [command for command in arrived if isinstance(command, Pull)]
    supervisor.handle(answer(send))
    assert Pull("one", 40) in supervisor.handle(Committed(0, 0))


def parked(send: Send, position: int) -> HostAnswered:
    """The answer of a host whose agent raises on the event at `position` of its only aggregate."""
    (aggregate,) = set(send.rows.column("aggregate").to_pylist())
    who = Who("one", aggregate)
    positions = send.rows.column("position").to_pylist()
    held = Held(who, tuple(at for at in positions if at >= position), b"")
    case = Parked(who, position, "it raises", "", b"", b"")
    result = GroupResult(key_group(aggregate), (), (case,), (held,))
    return HostAnswered(send.stage, send.seq, send.host, send.ticket, (result,))


def test_what_a_release_came_to_holds_though_its_host_dies_and_the_next_one_could_go_on():
    driven = Driven(Pooling(1)).staffed()
    (send,) = driven.batch(["a", "a"], 2)
    driven.tell(parked(send, 0), Committed(0, 0))
    who = Who("one", "a")
    driven.tell(ReleaseRequested(who, drop=False), FeedIdle("one"))
    driven.tell(taken(driven.ordered(TakeSnapshot)[0]))
    driven.tell(Committed(1, 1))
    assert driven.ordered(ReadHeld) == [ReadHeld("one", who, 0, 42)]
    driven.tell(HeldRead("one", who, (rows_of(["a", "a"], [0, 1]),)))
    (released,) = driven.ordered(Send)
    assert released.release == Release(who, None)
    driven.tell(parked(released, 1), HostLost(0))
    driven.tell(HostReady(driven.ordered(StartHost)[0].host))
    (again,) = driven.ordered(Send)
    assert again.rows.column("position").to_pylist() == [0], "decided on, as the log says"
    assert again.release == Release(who, 1), "what it was parked at is held"


def test_what_is_parked_of_a_batch_that_was_decided_on_before_ends_the_run():
    driven = Driven(Pooling(1)).staffed()
    (send,) = driven.batch(["a", "a"], 2)
    driven.tell(answer(send), HostLost(0))
    driven.tell(HostReady(driven.ordered(StartHost)[0].host))
    (again,) = driven.ordered(Send)
    assert again.mute
    with pytest.raises(ReplayDiverged, match="agent 'one' decided on 'a' before, and raised"):
        driven.tell(parked(again, 1))


def test_what_comes_twice_of_an_aggregate_that_goes_on_meanwhile_is_no_divergence():
    driven = Driven(Pooling(1)).staffed()
    (send,) = driven.batch(["a", "a"], 2)
    driven.tell(parked(send, 0), Committed(0, 0))
    driven.tell(ReleaseRequested(Who("one", "a"), drop=False), FeedIdle("one"))
    driven.tell(taken(driven.ordered(TakeSnapshot)[0]), Committed(1, 1))
    driven.tell(HeldRead("one", Who("one", "a"), (rows_of(["a", "a"], [0, 1]),)))
    (released,), (barrier,) = driven.ordered(Send), driven.ordered(TakeSnapshot)
    driven.tell(answer(released), Committed(3, 3), taken(barrier))
    assert driven.supervisor.parked() == {"one": ()}, "recorded, and not durable yet"
    driven.tell(parked(released, 0))


def replaced(driven: Driven, host: int) -> int:
    """Let a host die, of which nothing is recorded; returns the one in its place."""
    driven.tell(HostLost(host))
    assert not driven.ordered(Commit)
    (start,) = driven.ordered(StartHost)
    driven.tell(HostReady(start.host))
    return start.host


def test_what_was_decided_on_is_not_convicted_however_many_hosts_die_behind_it():
    driven = Driven(Pooling(2)).staffed()
    decided, other = driven.batch(KEYS, 40)
    driven.tell(answer(decided))
    second = other.host
    for _ in range(3):
        second = replaced(driven, second)
    first = decided.host
    for _ in range(12):
        first = replaced(driven, first)


def test_a_run_whose_hosts_die_for_ever_of_what_was_decided_on_ends():
    driven = Driven(Pooling(1)).staffed()
    (send,) = driven.batch(KEYS, 40)
    driven.tell(answer(send), Committed(0, 0))
    driven.batch(KEYS, 80)
    host = send.host
    driven.tell(HostLost(host))

    def die() -> None:
        for _ in range(100):
            (start,) = driven.ordered(StartHost)
            driven.tell(HostReady(start.host))
            driven.tell(HostLost(start.host))

    with pytest.raises(HostDied, match="before position 40 that were decided on before"):
        die()


@pytest.mark.parametrize(
    "wrong", [{"hosts": 0}, {"spares": -1}, {"deadline": 0.0}, {"grace": -1.0}]
)
def test_a_pool_that_makes_no_sense_is_refused(wrong: dict[str, float]):
    with pytest.raises(ConfigError, match=r"hosts\.\w+ must be at least"):
        Pooling(**wrong)  # type: ignore[arg-type]


def change() -> dict[str, tuple[StrategyUpgraded, ...]]:
    fields = {"strategy": "mine", "version": "2", "parameters": {}, "parametersDigest": ""}
    return {"one": (StrategyUpgraded(run_id="run", agent="one", since=0, **fields),)}


class TestUpgrade:
    @pytest.fixture
    def driven(self) -> Driven:
        return Driven(Pooling(2)).staffed()

    def ask(self, driven: Driven, edition: int = 1) -> list[int]:
        """Ask for an upgrade; returns the hosts that are started for it."""
        driven.tell(UpgradeRequested(edition, change(), {"one": 0}, {}))
        assert {start.edition for start in driven.ordered(StartHost)} == {edition}
        return [start.host for start in driven.ordered(StartHost)]

    def ready(self, driven: Driven) -> None:
        """Have hosts started for an upgrade, one after the other."""
        (first,) = self.ask(driven)
        driven.tell(HostReady(first))
        (second,) = driven.ordered(StartHost)
        driven.tell(HostReady(second.host))

    def test_a_host_that_is_late_is_not_waited_for(self, driven: Driven) -> None:
        assert self.ask(driven) == [2]
        driven.tell(Tick(9.9))
        assert not driven.ordered(StartHost)
        driven.tell(Tick(10.0))
        assert [(start.host, start.edition) for start in driven.ordered(StartHost)] == [(3, 1)]

    def take_over(self, driven: Driven) -> Switch:
        """Have hosts take over; returns where."""
        self.ready(driven)
        driven.tell(FeedIdle("one"))
        (switch,) = driven.ordered(Switch)
        return switch

    def test_hosts_take_over_behind_the_commit_that_records_it(self, driven: Driven) -> None:
        switch = self.take_over(driven)
        assert (switch.edition, dict(switch.since)) == (1, {"one": 0})
        assert [stop.host for stop in driven.ordered(StopHost)] == [0, 1]
        assert {restore.host for restore in driven.ordered(Restore)} == {2, 3}
        kinds = [type(command) for command in driven.last]
        assert kinds.index(Commit) < kinds.index(Switch) < kinds.index(Restore)

    def test_it_is_done_when_that_is_durable(self, driven: Driven) -> None:
        self.take_over(driven)
        (commit,) = driven.ordered(Commit)
        states = [driven.supervisor.upgrade]
        driven.tell(Committed(commit.number, 0))
        states.append(driven.supervisor.upgrade)
        assert [stands and stands.state for stands in states] == ["switching", "done"]

    def test_it_stays_upgraded_whatever_becomes_of_the_next(self, driven: Driven) -> None:
        assert not driven.supervisor.upgraded
        self.take_over(driven)
        (commit,) = driven.ordered(Commit)
        driven.tell(Committed(commit.number, 0))
        self.ask(driven, 2)
        driven.tell(UpgradeWithdrawn())
        assert driven.supervisor.upgrade is not None
        assert driven.supervisor.upgrade.state == "withdrawn"
        assert driven.supervisor.upgraded

    def test_what_was_taken_in_is_decided_by_those_who_worked(self, driven: Driven) -> None:
        sends = driven.batch(KEYS, 40)
        self.ready(driven)
        assert not driven.ordered(Pull)
        for send in sends:
            driven.tell(answer(send))
        assert not driven.ordered(Switch)
        assert {send.host for send in sends} == {0, 1}

    def test_hosts_that_come_later_are_of_the_edition_that_works(self, driven: Driven) -> None:
        self.take_over(driven)
        driven.tell(HostLost(2))
        (start,) = driven.ordered(StartHost)
        assert start.edition == 1

    def test_spares_of_the_edition_that_takes_over_are_started(self) -> None:
        driven = Driven(Pooling(1, spares=1), snapshot_events=1).staffed()
        (send,) = driven.batch(["a"], 1)
        driven.tell(answer(send), Committed(0, 0), taken(driven.ordered(TakeSnapshot)[0]))
        driven.tell(Committed(1, 0))
        assert len(driven.ordered(StartHost)) == 1
        (first,) = self.ask(driven)
        driven.tell(FeedIdle("one"), HostReady(first), Committed(2, 0))
        driven.tell(StateRead(first, driven.ordered(ReadState)[0].ticket))
        assert [stop.host for stop in driven.ordered(StopHost)] == [0, 1]
        (spare,) = driven.ordered(StartHost)
        assert spare.edition == 1
        kinds = [type(command) for command in driven.last]
        assert kinds.index(Switch) < kinds.index(StopHost) < kinds.index(StartHost)

    def test_a_host_that_cannot_load_it_ends_the_upgrade_only(self, driven: Driven) -> None:
        (first,) = self.ask(driven)
        driven.tell(HostRefused(first, ConfigError("no such class")))
        assert [stop.host for stop in driven.ordered(StopHost)] == [first]
        stands = driven.supervisor.upgrade
        assert stands is not None
        assert (stands.state, stands.why) == ("refused", "no such class")

    def reading(self, driven: Driven) -> list[ReadState]:
        """Have a snapshot left behind, and hosts that are to take over about to read it."""
        sends = driven.batch(KEYS, 40)
        self.ready(driven)
        driven.tell(*map(answer, sends), Committed(0, 0), FeedIdle("one"))
        driven.tell(*map(taken, driven.ordered(TakeSnapshot)))
        driven.tell(Committed(1, 0))
        return driven.ordered(ReadState)

    def test_hosts_read_all_that_is_left_before_they_take_over(self, driven: Driven) -> None:
        reads = self.reading(driven)
        assert {read.host for read in reads} == {2, 3}
        assert sorted(group for read in reads for group in read.groups) == list(range(256))
        driven.tell(StateRead(2, reads[0].ticket))
        assert not driven.ordered(Switch)
        driven.tell(StateRead(3, reads[1].ticket))
        (switch,) = driven.ordered(Switch)
        assert dict(switch.since) == {"one": 40}

    def test_one_that_cannot_read_it_ends_the_upgrade_only(self, driven: Driven) -> None:
        reads = self.reading(driven)
        driven.tell(StateRead(2, reads[0].ticket), HostRefused(3, StateInvalid("cannot be read")))
        stands = driven.supervisor.upgrade
        assert stands is not None
        assert (stands.state, stands.why, stands.since) == ("refused", "cannot be read", {})
        assert [stop.host for stop in driven.ordered(StopHost)] == [2, 3]
        assert not driven.ordered(Commit)
        assert driven.tell(FeedReady("one")) == [Pull("one", 40)], "those that work go on"

    def test_one_that_dies_while_it_reads_is_replaced_and_all_is_read_anew(
        self, driven: Driven
    ) -> None:
        first = self.reading(driven)
        driven.tell(HostLost(2))
        again = driven.ordered(ReadState)
        assert {read.host for read in again} == {3}
        assert {one.ticket for one in first}.isdisjoint(one.ticket for one in again)
        third = replaced(driven, 3)
        driven.tell(HostLost(third, "it ran out of memory"))
        stands = driven.supervisor.upgrade
        assert stands is not None
        assert stands.state == "refused"
        assert "3 of its hosts died while they read the state" in stands.why
        assert "it ran out of memory" in stands.why

    def test_those_that_work_go_on_while_none_is_there_to_take_over(self) -> None:
        driven = Driven(Pooling(1)).staffed()
        (send,) = driven.batch(["a"], 1)
        (first,) = self.ask(driven)
        driven.tell(HostReady(first), answer(send), FeedIdle("one"), FeedReady("one"))
        assert not driven.ordered(Pull), "it is to take over"
        driven.tell(HostLost(first))
        assert driven.ordered(Pull), "its replacement has not come yet"

    def test_stages_that_do_not_change_are_read_too(self) -> None:
        driven = Driven(Pooling(1), 1, "two").staffed()
        driven.tell(BatchArrived("two", rows_of(["a"], [0]), 1, "1"))
        (send,) = driven.ordered(Send)
        driven.tell(answer(send), Committed(0, 0), taken(driven.ordered(TakeSnapshot)[0]))
        driven.tell(Committed(1, 1), FeedIdle("one"), FeedIdle("two"))
        (first,) = self.ask(driven)
        driven.tell(HostReady(first))
        assert [read.stage for read in driven.ordered(ReadState)] == ["two"]

    def test_one_that_reads_for_too_long_ends_the_upgrade_only(self, driven: Driven) -> None:
        self.reading(driven)
        driven.tell(Tick(1000.0))
        stands = driven.supervisor.upgrade
        assert stands is not None
        assert stands.state == "refused"
        assert "in time" in stands.why

    def test_what_a_release_comes_to_meanwhile_is_read_too(self) -> None:
        driven, who = Driven(Pooling(1)).staffed(), Who("one", "a")
        (send,) = driven.batch(["a", "a"], 2)
        (first,) = self.ask(driven)
        driven.tell(HostReady(first), parked(send, 0), Committed(0, 0), FeedIdle("one"))
        driven.tell(taken(driven.ordered(TakeSnapshot)[0]), Committed(1, 1))
        (read,) = driven.ordered(ReadState)
        driven.tell(ReleaseRequested(who, drop=False))
        driven.tell(StateRead(first, read.ticket))
        assert not driven.ordered(Switch)
        driven.tell(HeldRead("one", who, (rows_of(["a", "a"], [0, 1]),)))
        (released,), (barrier,) = driven.ordered(Send), driven.ordered(TakeSnapshot)
        assert released.host == 0, "by the host that works"
        driven.tell(answer(released), taken(barrier), Committed(4, 4))
        (again,) = driven.ordered(ReadState)
        driven.tell(StateRead(first, again.ticket))
        assert driven.ordered(Switch)

    def test_one_that_is_withdrawn_ends_and_the_next_can_be_asked_for(self, driven: Driven) -> None:
        (first,) = self.ask(driven)
        driven.tell(UpgradeWithdrawn())
        assert [stop.host for stop in driven.ordered(StopHost)] == [first]
        stands = driven.supervisor.upgrade
        assert stands is not None
        assert (stands.state, stands.since) == ("withdrawn", {})
        driven.tell(HostReady(first))
        assert driven.last == [], "it comes too late to take over"
        self.ask(driven, edition=2)

    def test_one_that_was_made_cannot_be_withdrawn(self, driven: Driven) -> None:
        self.take_over(driven)
        (commit,) = driven.ordered(Commit)
        driven.tell(UpgradeWithdrawn(), Committed(commit.number, 0))
        stands = driven.supervisor.upgrade
        assert stands is not None
        assert stands.state == "done"
        assert not driven.ordered(StopHost)

    def test_what_an_earlier_one_came_to_says_nothing_of_the_next(self, driven: Driven) -> None:
        (first,) = self.ask(driven)
        driven.tell(HostRefused(first, ConfigError("no such class")))
        self.ask(driven, edition=2)
        driven.tell(HostRefused(first, ConfigError("no such class")))
        stands = driven.supervisor.upgrade
        assert stands is not None
        assert (stands.edition, stands.state) == (2, "preparing")

    def test_hosts_that_die_before_they_are_ready_end_the_upgrade_only(
        self, driven: Driven
    ) -> None:
        hosts = self.ask(driven)
        for _ in range(START_ATTEMPTS):
            driven.tell(HostLost(hosts[-1]))
            hosts += [start.host for start in driven.ordered(StartHost)]
        stands = driven.supervisor.upgrade
        assert stands is not None
        assert stands.state == "refused"
        assert len(driven.supervisor.hosts()) == 2

    def test_a_host_that_works_and_cannot_be_loaded_again_ends_the_run(
        self, driven: Driven
    ) -> None:
        driven.tell(HostLost(0), HostLost(1))
        with pytest.raises(ConfigError, match="no such class"):
            driven.tell(HostRefused(2, ConfigError("no such class")))

    def test_it_is_tried_again_while_others_work(self, driven: Driven) -> None:
        driven.tell(HostLost(0))
        (again,) = driven.ordered(StartHost)
        waited = 0.0
        for _ in range(START_ATTEMPTS - 1):
            driven.tell(HostRefused(again.host, ConfigError("no such class")))
            (again,) = driven.ordered(StartHost)
            waited += again.after
        assert waited > 30
        with pytest.raises(ConfigError, match="no such class"):
            driven.tell(HostRefused(again.host, ConfigError("no such class")))

    def test_others_may_take_over_from_a_host_that_cannot_be_loaded_again(
        self, driven: Driven
    ) -> None:
        driven.tell(HostLost(0))
        (again,) = driven.ordered(StartHost)
        driven.tell(HostRefused(again.host, ConfigError("no such class")))
        self.take_over(driven)
        assert driven.supervisor.staffed
