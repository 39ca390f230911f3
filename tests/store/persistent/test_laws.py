"""The laws of a group, under a schedule that is drawn by lot. `LUCENT_SEED` repeats one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest

from runtime.events import RecordedEvent
from runtime.store.link import Resolved
from runtime.store.persistent import Settings, Subscription
from runtime.store.persistent.commands import (
    Checkpoint,
    Command,
    Deliver,
    Park,
    Read,
    ReadParked,
    Record,
    Truncate,
    Withdraw,
)
from runtime.store.persistent.group import Group, Standing
from runtime.store.persistent.messages import (
    Acked,
    Action,
    Connected,
    Disconnected,
    Grown,
    Message,
    Nacked,
    PageRead,
    ParkedRead,
    ReadFailed,
    Recorded,
    RecordFailed,
    ReplayAsked,
    Tick,
)
from runtime.store.persistent.strategy import STRATEGIES
from tests.store.persistent.driver import STREAM, event
from tests.support.seeds import seed

STEPS, EVENTS = 400, 120
MOST, LARGEST = 3, 8
"""Consumers at a time, and how many events one takes at the most."""

Key = tuple[str, int]


@dataclass
class Model:
    """A store and its consumers, and what they know of a group."""

    lot: Random
    group: Group
    settings: Settings
    now: float = 0.0
    written: int = 0
    parked: list[int] = field(default_factory=list)
    """The events behind the links of the parked stream."""
    cut: int = 0
    sizes: dict[int, int] = field(default_factory=dict)
    flying: dict[bytes, tuple[int, Key]] = field(default_factory=dict)
    done: set[Key] = field(default_factory=set)
    checkpoint: int = -1
    asked: list[Read | ReadParked] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    met: Counter[Key] = field(default_factory=Counter)

    def tell(self, message: Message) -> None:
        commands = self.group.handle(message, self.now)
        for command in commands:
            self.carry_out(command)
        self.check_order([each for each in commands if isinstance(each, Deliver)])

    def carry_out(self, command: Command) -> None:
        match command:
            case Deliver():
                self.deliver(command)
            case Withdraw():
                self.flying.pop(command.event_id, None)
            case Read() | ReadParked():
                self.asked.append(command)
            case _:
                self.records.append(command)
                self.check_record(command)

    def deliver(self, command: Deliver) -> None:
        original = command.found.original
        key = (original.stream, original.revision)
        assert original.event_id not in self.flying, "it is with two consumers"
        assert key not in self.done, "it was done with"
        self.met[key] += 1
        self.flying[original.event_id] = (command.consumer, key)
        held = sum(consumer == command.consumer for consumer, _ in self.flying.values())
        assert held <= self.sizes[command.consumer], "a consumer has more than it takes"

    def check_order(self, delivered: list[Deliver]) -> None:
        kinds, places = [], []
        for each in delivered:
            original = each.found.original
            replayed = original.stream == STREAM.parked
            retried = self.met[original.stream, original.revision] > 1 and not replayed
            kinds.append(0 if retried else 1 if replayed else 2)
            places += [original.revision] if retried else []
        if self.settings.strategy in {"RoundRobin", "DispatchToSingle"}:
            assert kinds == sorted(kinds), "a new event came before a retry or a replay"
            assert places == sorted(places), "retries are out of order"

    def check_record(self, record: Record) -> None:
        if isinstance(record, Checkpoint):
            assert record.place > self.checkpoint
            missing = [n for n in range(record.place + 1) if ("s-1", n) not in self.done]
            assert not missing, f"a checkpoint at {record.place} passes {missing}"
        if isinstance(record, Truncate):
            cut = range(self.cut, record.before)
            assert all((STREAM.parked, revision) in self.done for revision in cut)

    def stored(self, number: int) -> RecordedEvent:
        """An event of the stream: a link, so that the pinned strategies tell some apart."""
        metadata = f'{{"$correlationId":"c{number % 7}"}}'.encode()
        return event(number, type="$>", data=f"0@t-{number % 5}".encode(), metadata=metadata)

    def answer_read(self, *, well: bool = True) -> None:
        asked = self.asked.pop(self.lot.randrange(len(self.asked)))
        if not well:
            self.tell(ReadFailed(parked=isinstance(asked, ReadParked)))
        elif isinstance(asked, Read):
            end = min(asked.start + asked.limit, self.written)
            found = [Resolved(self.stored(number)) for number in range(asked.start, end)]
            through = max(end, asked.start) - 1
            self.tell(PageRead(found, through, len(found) == asked.limit))
        else:
            start = max(asked.start, self.cut)
            numbers = range(start, min(start + asked.limit, len(self.parked)))
            made = [
                Resolved(event(self.parked[n]), event(n, STREAM.parked, type="$>")) for n in numbers
            ]
            self.tell(ParkedRead(made))

    def answer_record(self, *, well: bool = True) -> None:
        record = self.records.pop(0)
        if not well:
            self.tell(RecordFailed(record))
            return
        revision = 0
        if isinstance(record, Park):
            found = record.held.found
            assert found.event is not None
            revision = len(self.parked)
            self.parked.append(found.event.revision)
            self.done.add((found.original.stream, found.original.revision))
        elif isinstance(record, Checkpoint):
            self.checkpoint = record.place
        else:
            self.cut = record.before
        self.tell(Recorded(record, revision))

    def answer(self, action: Action | None = None) -> None:
        event_id = self.lot.choice(list(self.flying))
        consumer, key = self.flying.pop(event_id)
        if action in {None, Action.SKIP, Action.STOP}:
            self.done.add(key)
        ids = [event_id, b"unknown"]
        self.tell(Acked(consumer, ids) if action is None else Nacked(consumer, ids, action))

    def connect(self) -> None:
        consumer = max(self.sizes, default=0) + 1
        self.sizes[consumer] = self.lot.randint(1, LARGEST)
        self.tell(Connected(consumer, self.sizes[consumer]))

    def disconnect(self) -> None:
        consumer = self.lot.choice(list(self.sizes))
        self.flying = {i: flight for i, flight in self.flying.items() if flight[0] != consumer}
        del self.sizes[consumer]
        self.tell(Disconnected(consumer))

    def step(self) -> None:
        lot = self.lot
        acts = [self.grow, self.tick, self.connect if len(self.sizes) < MOST else self.tick]
        acts += [self.disconnect] * (bool(self.sizes) and lot.random() < 0.2)
        acts += [self.answer] * 3 * bool(self.flying)
        acts += [lambda: self.answer(lot.choice(list(Action)))] * bool(self.flying)
        acts += [lambda: self.answer_read(well=lot.random() < 0.9)] * 3 * bool(self.asked)
        acts += [lambda: self.answer_record(well=lot.random() < 0.9)] * 2 * bool(self.records)
        acts += [self.replay]
        lot.choice(acts)()

    def grow(self) -> None:
        if self.written < EVENTS:
            self.written += self.lot.randint(1, 5)
            self.tell(Grown())

    def tick(self) -> None:
        self.now += self.lot.random()
        self.tell(Tick())

    def replay(self) -> None:
        stop_at = self.lot.choice([None, self.lot.randrange(20)])
        self.tell(ReplayAsked(len(self.parked) - 1, stop_at))

    def finish(self) -> None:
        """Let consumers acknowledge all there is, until there is nothing left to do."""
        self.connect()
        self.tell(Grown())
        quiet = 0
        while quiet < 5:
            quiet = 0 if self.asked or self.records or self.flying else quiet + 1
            for act, waits in (
                (self.answer_read, self.asked),
                (self.answer_record, self.records),
                (self.answer, self.flying),
            ):
                if waits:
                    act()
            self.now += 0.001
            self.tell(Tick())


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("number", range(8))
def test_laws(strategy: str, number: int) -> None:
    lot = Random(f"{seed()}/{strategy}/{number}")
    settings = Settings(
        start=0,
        strategy=strategy,
        message_timeout=lot.choice([0, 800, 3000]),
        max_retries=lot.randrange(4),
        min_checkpoint=lot.randrange(4),
        max_checkpoint=lot.randint(1, 12),
        checkpoint_after=lot.choice([0, 500]),
        read_batch=lot.randint(1, 6),
        history_buffer=lot.randint(7, 20),
    )
    group = Group(Subscription(STREAM, settings), Standing(), 0.0)
    model = Model(lot, group, settings)
    for _ in range(STEPS):
        model.step()
        figures = model.group.figures(model.now)
        assert figures.in_flight == len(model.flying)
        parking = sum(isinstance(record, Park) for record in model.records)
        held = figures.fresh + figures.retried + figures.in_flight + parking
        assert held <= settings.history_buffer + MOST * LARGEST, "it holds more than it may"
    model.finish()
    assert {("s-1", n) for n in range(model.written)} <= model.done, "an event was lost"
    assert model.group.figures(model.now).fresh == model.group.figures(model.now).retried == 0
