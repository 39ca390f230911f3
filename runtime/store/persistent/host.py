"""A group at work: its machine, its consumers, and the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from time import monotonic
from typing import Any, Protocol, TypeVar

from runtime.errors import (
    StoreError,
    SubscriptionDropped,
    SubscriptionFailed,
    SubscriptionFull,
)
from runtime.store.persistent.archive import Archive
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
from runtime.store.persistent.info import Figures
from runtime.store.persistent.messages import (
    Connected,
    Disconnected,
    Message,
    ReadFailed,
    RecordFailed,
)
from runtime.store.persistent.seat import Seat
from runtime.store.persistent.settings import Name, Subscription
from runtime.store.sqlite import SqliteStore

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Caller(Protocol):
    """How an event loop reaches a store, whose methods wait."""

    @property
    def store(self) -> SqliteStore:
        """The store."""

    async def call(self, act: Callable[[], T]) -> T:
        """What `act` returns, or raises, called on another thread."""

    async def match(self, act: Callable[[], T]) -> T:
        """As `call`, for what matches regular expressions."""

    def growth(self) -> asyncio.Event:
        """Set when something is written after this call."""


class Host:
    """Carries out what a group asks for, and tells it what came of it.

    To be used inside one running event loop.
    """

    def __init__(self, caller: Caller, subscription: Subscription, standing: Standing) -> None:
        self.subscription = subscription
        self._caller = caller
        self._archive = Archive(caller.store)
        self._group = Group(subscription, standing, monotonic())
        self._seats: dict[int, Seat] = {}
        self._numbers = count(1)
        self._records: list[Record] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._recording = False
        self._closed = False

    def connect(self, size: int, name: str, user: str) -> tuple[int, Seat]:
        """Take in a consumer of `size` events in flight; answers its number and where it reads.

        `name` is that of its connection, `user` who it is. It must `leave` at its end. Raises
        `SubscriptionFull`, and `SubscriptionDropped` after `close`.
        """
        if self._closed:
            raise dropped(self.subscription.name, "updated or deleted")
        if self._group.full:
            most = self.subscription.settings.max_subscribers
            told = f"{self.subscription.name} has {most} consumers, as many as it may have"
            raise SubscriptionFull(f"{told}: let one go, or raise max_subscriber_count")
        number = next(self._numbers)
        seat = self._seats[number] = Seat()
        self.tell(Connected(number, size, name, user))
        return number, seat

    def leave(self, number: int) -> None:
        """Let a consumer go; what it has not answered for goes to others."""
        if self._seats.pop(number, None) is not None:
            self.tell(Disconnected(number))

    def tell(self, message: Message) -> None:
        """Tell the group something."""
        if self._closed:
            return
        for command in self._group.handle(message, monotonic()):
            self._carry_out(command)

    def figures(self) -> Figures:
        """How the group stands."""
        return self._group.figures(monotonic())

    async def close(self, error: Exception) -> None:
        """Drop all consumers for that reason, and wait until nothing of it is being written."""
        self._closed = True
        for seat in self._seats.values():
            seat.end(error)
        self._seats.clear()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _carry_out(self, command: Command) -> None:
        match command:
            case Deliver():
                self._seats[command.consumer].put(command)
            case Withdraw():
                self._seats[command.consumer].withdraw(command.event_id)
            case Read() | ReadParked():
                self._start(self._read(command))
            case Park() | Checkpoint() | Truncate():
                self._records.append(command)
                if not self._recording:
                    self._recording = True
                    self._start(self._record())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, asked: Read | ReadParked) -> None:
        of, start, limit = self.subscription, asked.start, asked.limit
        try:
            if isinstance(asked, Read):
                call = self._caller.match if of.only.by_pattern else self._caller.call
                self.tell(await call(lambda: self._archive.page(of, start, limit)))
            else:
                name = of.name
                self.tell(await self._caller.call(lambda: self._archive.parked(name, start, limit)))
        except StoreError as error:
            self._fail(asked, str(error))
        except Exception:  # noqa: BLE001 (consumers would wait for ever)
            _log.exception("the group %s cannot be read on", of.name)
            self._fail(asked, "what comes next cannot be read: see the log of the server")

    def _fail(self, asked: Read | ReadParked, why: str) -> None:
        """Drop all consumers because something could not be read, which is tried again."""
        self.tell(ReadFailed(parked=isinstance(asked, ReadParked)))
        for seat in self._seats.values():
            seat.end(SubscriptionFailed(why))

    async def _record(self) -> None:
        """Store the records that have gathered, until there are none."""
        name = self.subscription.name
        while self._records and not self._closed:
            records, self._records = self._records, []
            await self._store(name, records)
        self._recording = False

    async def _store(self, name: Name, records: list[Record]) -> None:
        outcomes: Sequence[Message]
        try:
            outcomes = await self._caller.call(lambda: self._archive.record(name, records))
        except StoreError:
            outcomes = [RecordFailed(record) for record in records]
        for outcome in outcomes:
            self.tell(outcome)


def dropped(name: Name, why: str) -> SubscriptionDropped:
    """What consumers are told of a group that was `why`, "deleted" say."""
    return SubscriptionDropped(f"the group {name} was {why}: read it again")
