"""A group of consumers that share a stream or the log: a pure state machine.

It is told messages and returns commands; it knows no store, no event loop and no clock.
Whoever drives it carries the commands out, in their order, and tells it what came of
them. Laws it keeps:

- an event it met is with a consumer, waits to be delivered, is being parked, or is done
  with: acknowledged, skipped or parked; it is none of these twice;
- no consumer has more events that it has not answered for than it takes;
- retries come before replays of parked events, and those before new events; retries go by
  their places;
- a checkpoint never lies at or beyond an event that is not done with;
- what it holds is bounded: it reads on only when there is room in its history buffer and
  the events that are not done with are not too large, and not at all without consumers.

Delivery is at least once, and in no promised order.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.store.persistent.buffer import Buffer, Held
from runtime.store.persistent.commands import (
    Checkpoint,
    Command,
    Deliver,
    Park,
    Read,
    ReadParked,
    Truncate,
    Withdraw,
)
from runtime.store.persistent.flights import Flight, Flights
from runtime.store.persistent.info import Figures, status_of
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
from runtime.store.persistent.meter import Meter
from runtime.store.persistent.parked import Parked
from runtime.store.persistent.progress import Done, Progress
from runtime.store.persistent.roster import Roster
from runtime.store.persistent.settings import MAX_BYTES, Subscription
from runtime.store.policy import ALL


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a group stands as it begins: the place of its checkpoint, what its parked stream holds.

    `parked_first` is the first revision of that to be seen, `parked_last` the last, -1 for none.
    """

    checkpoint: int | None = None
    parked_first: int = 0
    parked_last: int = -1


class Group:
    """Takes messages, each with the time at which it came (seconds that never go back)."""

    def __init__(self, subscription: Subscription, standing: Standing, now: float) -> None:
        self._settings = settings = subscription.settings
        checkpoint = standing.checkpoint
        self._of_log = subscription.name.stream == ALL
        self._next = subscription.first if checkpoint is None else checkpoint + 1
        self._through = checkpoint
        self._known: int | None = None
        self._ordinal = self._size = 0
        self._live = settings.start is None and checkpoint is None
        self._grown = self._reading = self._paused = False
        self._buffer = Buffer()
        self._flights = Flights(settings.message_timeout)
        self._parking: dict[tuple[bool, int], Held] = {}
        self._roster = Roster(settings)
        self._parked = Parked(standing.parked_first, standing.parked_last)
        self._progress = Progress(subscription, checkpoint)
        self._meter = Meter(now)
        self._now = now
        self._commands: list[Command] = []

    @property
    def full(self) -> bool:
        """Whether no other consumer may connect."""
        return self._roster.full

    def handle(self, message: Message, now: float) -> list[Command]:
        """Take a message; returns what is to be done now, in this order."""
        self._now = now
        self._commands = []
        match message:
            case Connected() | Disconnected():
                self._change_roster(message)
            case Acked() | Nacked():
                self._take_answer(message)
            case PageRead() | ParkedRead() | ReadFailed():
                self._take_read(message)
            case Recorded() | RecordFailed():
                self._take_record(message)
            case ReplayAsked():
                self._parked.replay(message.last, message.stop_at)
            case Grown():
                self._grown = True
            case Tick():
                self._paused = False
                self._expire()
        self._buffer.drain(self._give, lambda: self._roster.has_room)
        self._ask()
        self._write_down(tick=isinstance(message, Tick))
        return self._commands

    def figures(self, now: float) -> Figures:
        """How it stands; rates are since the last time that this was asked."""
        replaying = self._parked.replaying
        return Figures(
            status=status_of(live=self._live, reading=self._reading, replaying=replaying),
            rate=self._meter.measure(now),
            consumers=self._roster.info(now),
            checkpoint=self._progress.place,
            known=self._known,
            fresh=self._buffer.fresh,
            retried=self._buffer.retried,
            in_flight=len(self._flights),
            parked=self._parked.count,
            live=self._live,
        )

    def _change_roster(self, message: Connected | Disconnected) -> None:
        if isinstance(message, Connected):
            self._roster.join(message, self._now)
            self._grown, self._paused = True, False
            return
        for flight in self._flights.of(message.consumer):
            self._end(flight.held.event_id)
            self._buffer.add_again(flight.held.again())
        self._roster.leave(message.consumer)

    def _take_answer(self, message: Acked | Nacked) -> None:
        for event_id in message.ids:
            flight = self._end(event_id)
            if flight is None:
                continue
            if flight.consumer != message.consumer:
                self._commands.append(Withdraw(flight.consumer, event_id))
            self._settle(flight.held, message)

    def _settle(self, held: Held, message: Acked | Nacked) -> None:
        if isinstance(message, Nacked) and message.action in {Action.RETRY, Action.UNKNOWN}:
            self._retry(held)
        elif isinstance(message, Nacked) and message.action is Action.PARK:
            self._park(held, f"Client explicitly NAK'ed message.\n{message.reason}")
        else:
            self._finish(held)

    def _take_read(self, message: PageRead | ParkedRead | ReadFailed) -> None:
        if isinstance(message, PageRead):
            self._take_page(message)
        elif isinstance(message, ParkedRead):
            found = [Held(each, each.original.revision, replayed=True) for each in message.found]
            for held in self._parked.read(found):
                self._size += held.found.size
                self._buffer.add_again(held)
        else:
            self._paused = True
            if message.parked:
                self._parked.failed()
            else:
                self._reading = self._live = False

    def _take_page(self, page: PageRead) -> None:
        self._reading = False
        self._live = not page.more
        for found in page.found:
            original = found.original
            place = original.position if self._of_log else original.revision
            self._ordinal += 1
            self._size += found.size
            self._buffer.add(Held(found, place, self._through, self._ordinal))
            self._through = self._known = place
        if page.through >= self._next:
            self._through, self._next = page.through, page.through + 1

    def _take_record(self, message: Recorded | RecordFailed) -> None:
        stored = isinstance(message, Recorded)
        record = message.record
        if isinstance(record, Truncate):
            self._parked.truncated(stored=stored)
        elif isinstance(record, Checkpoint):
            (self._progress.stored if stored else self._progress.failed)()
        else:
            del self._parking[record.held.key]
            if isinstance(message, Recorded):
                self._parked.added(message.revision)
                self._finish(record.held)
            else:
                self._buffer.add_again(record.held)

    def _expire(self) -> None:
        for flight in self._flights.expired(self._now):
            event_id = flight.held.event_id
            self._end(event_id)
            self._commands.append(Withdraw(flight.consumer, event_id))
            self._retry(flight.held)

    def _end(self, event_id: bytes) -> Flight | None:
        flight = self._flights.end(event_id)
        if flight is not None:
            self._roster.free(flight.consumer, self._now - flight.sent)
        return flight

    def _retry(self, held: Held) -> None:
        most = self._settings.max_retries
        if held.retries < most:
            self._buffer.add_again(held.again())
        else:
            self._park(held, f"Reached retry count of {most}")

    def _park(self, held: Held, reason: str) -> None:
        self._parking[held.key] = held
        self._commands.append(Park(held, reason))

    def _finish(self, held: Held) -> None:
        self._size -= held.found.size
        if held.replayed:
            self._parked.done(held.place)

    def _give(self, held: Held) -> bool:
        """Deliver an event; False if the consumer that it is for has no room.

        One whose id is in flight is passed over: consumers could not tell the two apart.
        """
        if held.event_id in self._flights:
            self._finish(held)
            return True
        consumer = self._roster.choose(held.found)
        if consumer is None:
            return False
        self._roster.give(consumer)
        self._flights.start(held, consumer, self._now)
        self._meter.count()
        self._commands.append(Deliver(consumer, held.found, held.retries))
        return True

    def _ask(self) -> None:
        """Ask for what there is room for, parked events first."""
        if not len(self._roster) or self._paused or self._size >= MAX_BYTES:
            return
        batch = self._settings.page
        asked = self._reading + self._parked.reading
        held = len(self._buffer) + len(self._parking)
        room = self._settings.room - held - batch * asked
        wanted = self._parked.wanted(min(batch, room))
        if wanted is not None:
            self._commands.append(ReadParked(*wanted))
            room -= batch
        unread = self._grown or not self._live
        if unread and not self._reading and room > batch:
            self._reading, self._grown = True, False
            self._commands.append(Read(self._next, batch))

    def _write_down(self, *, tick: bool) -> None:
        before = self._parked.truncation(tick=tick)
        if before is not None:
            self._commands.append(Truncate(before))
        done = Done(self._through, self._ordinal)
        if not self._progress.is_due(done, self._now, tick=tick):
            return
        lowest = self._lowest()
        if lowest is not None:
            done = Done(lowest.before, lowest.ordinal - 1)
        if done.place is not None and self._progress.is_due(done, self._now, tick=tick):
            self._progress.begin(done, self._now)
            self._commands.append(Checkpoint(done.place))

    def _lowest(self) -> Held | None:
        """The event of the lowest place that is not done with."""
        parking = (held for held in self._parking.values() if not held.replayed)
        ends = (self._buffer.lowest(), self._flights.lowest(), *parking)
        return min((h for h in ends if h is not None), key=lambda held: held.place, default=None)
