"""The supervisor, driven by a seeded scheduler that reorders, repeats and delays messages."""

from __future__ import annotations

import random
from collections import defaultdict

import pyarrow as pa
import pytest

from runtime.engine.credit import CreditLimits
from runtime.engine.keygroups import key_group
from runtime.engine.messages import (
    Advance,
    BatchArrived,
    Commit,
    Committed,
    DrainRequested,
    FeedEnded,
    FeedIdle,
    Finish,
    HostAnswered,
    Pull,
    Sealed,
    Send,
    SnapshotTaken,
    TakeSnapshot,
)
from runtime.engine.stage import StageSpec, read_stage_cursor
from runtime.engine.supervisor import NEVER, Supervisor

TEXT = pa.dictionary(pa.int32(), pa.string())


def rows_of(keys: list[str], start: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {
            "aggregate": pa.array(keys).dictionary_encode(),
            "position": pa.array(range(start, start + len(keys)), pa.int64()),
        },
        schema=pa.schema({"aggregate": TEXT, "position": pa.int64()}),
    )


class World:
    """A feed of `inputs` keys, hosts that answer in any order, a log that commits late."""

    def __init__(self, seed: int, inputs: int, hosts: int, limits: CreditLimits) -> None:
        self.rng = random.Random(seed)
        self.keys = [f"key-{self.rng.randrange(12)}" for _ in range(inputs)]
        self.supervisor = Supervisor([StageSpec("one")], hosts, limits, snapshot_events=37)
        self.limits = limits
        self.read = 0
        self.events: list[Sealed] = []
        self.checkpoints: list[tuple[int, int]] = []
        self.snapshots: list[tuple[int, dict[int, bytes]]] = []
        self.pending: list[object] = []
        self.commits: list[Commit] = []
        self.in_flight = 0
        self.finished: Finish | None = None

    def run(self, drain_at: int | None = None) -> None:
        self.carry_out(self.supervisor.start(-1))
        steps = 0
        while self.finished is None:
            steps += 1
            if steps == drain_at:
                self.carry_out(self.supervisor.handle(DrainRequested()))
                continue
            assert self.pending or self.commits, "the supervisor waits for nothing"
            if self.commits and (not self.pending or self.rng.random() < 0.3):
                self.commit()
            elif self.pending:
                at = self.rng.randrange(len(self.pending))
                message = self.pending.pop(at)
                self.carry_out(self.supervisor.handle(message))
                if isinstance(message, HostAnswered) and self.rng.random() < 0.2:
                    self.carry_out(self.supervisor.handle(message))

    def commit(self) -> None:
        count = self.rng.randint(1, len(self.commits))
        done, self.commits = self.commits[:count], self.commits[count:]
        for one in done:
            self.events.extend(one.events)
            if one.checkpoint is not None:
                position = read_stage_cursor(one.checkpoint)[0]
                self.checkpoints.append((position, len(self.events)))
            if one.snapshot is not None:
                self.snapshots.append((read_stage_cursor(one.snapshot[0])[0], one.snapshot[1]))
        self.carry_out(self.supervisor.handle(Committed(done[-1].number, len(self.events))))

    def carry_out(self, commands: list[object]) -> None:
        for command in commands:
            match command:
                case Pull():
                    self.pull(command)
                case Send():
                    self.pending.append(self.answer(command))
                case TakeSnapshot():
                    part = {command.host: str(command.seq).encode()}
                    self.pending.append(SnapshotTaken("one", command.seq, command.host, part))
                case Commit():
                    self.commits.append(command)
                case Finish():
                    self.finished = command

    def pull(self, command: Pull) -> None:
        assert 1 <= command.limit <= self.limits.batch
        stats = self.supervisor.stats()["one"].credit
        assert stats.events + command.limit <= self.limits.events
        keys = self.keys[self.read : self.read + self.rng.randint(1, command.limit)]
        if not keys:
            self.pending.append(FeedEnded("one"))
            return
        start, self.read = self.read, self.read + len(keys)
        self.pending.append(BatchArrived("one", rows_of(keys, start), self.read, str(self.read)))

    def answer(self, command: Send) -> HostAnswered:
        by_group: dict[int, list[Sealed]] = defaultdict(list)
        columns = (command.rows.column(n).to_pylist() for n in ("aggregate", "position"))
        for key, position in zip(*columns, strict=True):
            by_group[key_group(key)].append(Sealed(key, position, b"", "", b"", b""))
        results = tuple((group, tuple(events)) for group, events in by_group.items())
        return HostAnswered("one", command.seq, command.host, results)


@pytest.mark.parametrize("seed", range(150))
def test_every_cause_is_committed_once_and_in_order_whatever_comes_first(seed: int) -> None:
    rng = random.Random(seed)
    limits = CreditLimits(rng.choice([1, 5, 40, 500]), 10**9, rng.choice([1, 3, 20, 100]))
    world = World(seed, rng.randrange(0, 300), rng.choice([1, 2, 3, 8]), limits)
    world.run()
    assert world.finished == Finish(completed=True)
    by_key = defaultdict(list)
    for position, key in enumerate(world.keys):
        by_key[key].append(position)
    committed = defaultdict(list)
    for event in world.events:
        committed[event.stream].append(event.revision)
    assert committed == by_key


@pytest.mark.parametrize("seed", range(60))
def test_a_checkpoint_is_never_ahead_of_what_it_covers(seed: int) -> None:
    world = World(seed, 200, 3, CreditLimits(50, 10**9, 10))
    world.run()
    for position, committed in world.checkpoints:
        before = {event.revision for event in world.events[:committed]}
        assert set(range(position)) <= before
    for position, _ in world.snapshots:
        assert any(position <= reached for reached, _ in world.checkpoints)
    assert world.snapshots[-1][0] == 200


@pytest.mark.parametrize("seed", range(60))
def test_draining_finishes_what_was_taken_in_and_no_more(seed: int) -> None:
    world = World(seed, 400, 2, CreditLimits(60, 10**9, 12))
    world.run(drain_at=1 + seed)
    assert world.finished == Finish(completed=False)
    assert sorted(event.revision for event in world.events) == list(range(world.read))
    assert world.read < 400


def test_credit_bounds_what_is_unfinished() -> None:
    limits = CreditLimits(events=30, bytes=10**9, batch=7)
    world = World(5, 500, 2, limits)
    world.run()
    assert world.supervisor.stats()["one"].credit.peak_events <= 30


def test_a_group_does_not_wait_for_another() -> None:
    supervisor = Supervisor([StageSpec("one")], 2, CreditLimits())
    supervisor.start(-1)
    keys = [f"key-{number}" for number in range(40)]
    commands = supervisor.handle(BatchArrived("one", rows_of(keys, 0), 40, ""))
    sends = [command for command in commands if isinstance(command, Send)]
    assert len(sends) == 2
    answer = World(0, 0, 1, CreditLimits()).answer(sends[1])
    answered = supervisor.handle(answer)
    assert [len(c.events) for c in answered if isinstance(c, Commit)] == [sends[1].rows.num_rows]


def test_a_later_stage_is_told_only_what_is_durable() -> None:
    stages = [StageSpec("up"), StageSpec("down", ("up",))]
    supervisor = Supervisor(stages, 1, CreditLimits())
    assert Advance("down", 0, -1, ended=False) in supervisor.start(-1)
    supervisor.handle(FeedIdle("down", 0))
    sent = supervisor.handle(BatchArrived("up", rows_of(["a"], 0), 1, ""))
    seq = next(command.seq for command in sent if isinstance(command, Send))
    answer = HostAnswered("up", seq, 0, ((key_group("a"), ()),))
    commands = supervisor.handle(answer)
    assert not [command for command in commands if isinstance(command, Advance)]
    commands = supervisor.handle(Committed(0, 17))
    assert Advance("down", 1, 17, ended=False) in commands
    assert Advance("down", NEVER, 17, ended=True) in supervisor.handle(FeedEnded("up"))


def test_an_idle_feed_that_was_told_more_meanwhile_is_asked_again() -> None:
    stages = [StageSpec("up", position=5), StageSpec("down", ("up",))]
    supervisor = Supervisor(stages, 1, CreditLimits())
    assert Advance("down", 5, -1, ended=False) in supervisor.start(-1)
    assert Advance("down", NEVER, -1, ended=True) in supervisor.handle(FeedEnded("up"))
    asked = supervisor.handle(FeedIdle("down", watermark=5))
    assert [command.stage for command in asked if isinstance(command, Pull)] == ["down"]
