"""A group that is driven by hand, and what it asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from runtime.events import RecordedEvent, named_id
from runtime.store.link import Resolved
from runtime.store.persistent import Name, Settings, Subscription
from runtime.store.persistent.commands import Command, Deliver, Park, Read
from runtime.store.persistent.group import Group, Standing
from runtime.store.persistent.messages import (
    Acked,
    Action,
    Connected,
    Message,
    Nacked,
    PageRead,
)
from runtime.store.port import Filter

STREAM = Name("s-1", "g")
PLAIN = Settings(start=0, min_checkpoint=1, read_batch=10, history_buffer=50)
NOWHERE, EVERYTHING = Standing(), Filter()
C = TypeVar("C", bound=Command)


def event(revision: int, stream: str = "s-1", **changes: object) -> RecordedEvent:
    made = RecordedEvent(
        100 + revision, stream, revision, named_id(f"{stream}/{revision}"), "T", b"{}", b"", 0
    )
    return replace(made, **changes)


class Driver:
    """Tells a group messages; `now` moves only when it is told to."""

    def __init__(
        self,
        settings: Settings = PLAIN,
        standing: Standing = NOWHERE,
        name: Name = STREAM,
        only: Filter = EVERYTHING,
    ) -> None:
        self.now = 0.0
        self.group = Group(Subscription(name, settings, only), standing, self.now)
        self.last: list[Command] = []

    def tell(self, message: Message, after: float = 0.0) -> list[Command]:
        self.now += after
        self.last = self.group.handle(message, self.now)
        return self.last

    def connect(self, consumer: int = 1, size: int = 10) -> list[Command]:
        return self.tell(Connected(consumer, size))

    def page(self, found: Iterable[RecordedEvent], *, more: bool = False) -> list[Command]:
        events = list(found)
        return self.tell(PageRead([Resolved(e) for e in events], events[-1].revision, more))

    def events(self, *revisions: int) -> list[Command]:
        return self.page([event(revision) for revision in revisions])

    def ack(self, *revisions: int, consumer: int = 1) -> list[Command]:
        return self.tell(Acked(consumer, [event(revision).event_id for revision in revisions]))

    def nack(self, action: Action, *revisions: int, reason: str = "") -> list[Command]:
        ids = [event(revision).event_id for revision in revisions]
        return self.tell(Nacked(1, ids, action, reason))

    def of(self, kind: type[C]) -> list[C]:
        return [command for command in self.last if isinstance(command, kind)]

    @property
    def delivered(self) -> list[tuple[int, int, int]]:
        """Consumer, revision and number of retries of what was delivered last."""
        return [(d.consumer, d.found.original.revision, d.retries) for d in self.of(Deliver)]

    @property
    def parked(self) -> Sequence[int]:
        return [park.held.place for park in self.of(Park)]

    @property
    def reads(self) -> list[tuple[int, int]]:
        return [(read.start, read.limit) for read in self.of(Read)]


def ready(settings: Settings = PLAIN, size: int = 10, count: int = 3) -> Driver:
    """One whose consumer 1 has been given the first `count` events, as far as it has room."""
    driver = Driver(settings)
    driver.connect(size=size)
    driver.events(*range(count))
    return driver
