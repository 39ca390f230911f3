"""Drives the supervisor: carries its commands out and tells it what came of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Protocol

import pyarrow as pa

from runtime.engine.commands import (
    Advance,
    Command,
    Commit,
    Finish,
    HostsCommand,
    Pull,
    ReadHeld,
    ReadState,
    Restore,
    Switch,
)
from runtime.engine.committer import Committer
from runtime.engine.messages import (
    BatchArrived,
    FeedEnded,
    FeedIdle,
    HeldRead,
    Message,
    StopRequested,
    Tick,
)
from runtime.engine.plan import RunPlan
from runtime.engine.supervisor import Supervisor
from runtime.errors import FeedError

Post = Callable[[Message | Exception], None]
"""Puts a message, or the error that ended a helper, into the runner's inbox."""

Load = Callable[[ReadState | Restore], Mapping[int, bytes]]
"""The parts of the store's snapshot that a command is about."""

ReadsHeld = Callable[[ReadHeld], tuple[pa.RecordBatch, ...]]
"""What the log holds of a parked aggregate."""

TICK_SECONDS = 0.25
"""How often the supervisor is told the time, at least."""


class Hosts(Protocol):
    """The hosts of a run, by number. Each works on what it is given in order."""

    def carry_out(self, command: HostsCommand) -> None:
        """Give a host a command, or all a switch; what comes of it is posted, now or later."""

    def prepare(self, edition: int, plan: RunPlan) -> None:
        """Let hosts of `edition` decide by this plan; from any thread, before they are started."""

    def close(self) -> None:
        """Release the hosts."""


class StageFeed(Protocol):
    """What a stage reads: observations, or the decisions of earlier stages."""

    def read(self, limit: int) -> BatchArrived | FeedIdle | FeedEnded:
        """The next batch of at most `limit` events, if there is one now."""

    def advance(self, command: Advance) -> None:
        """The log is complete up to a watermark."""

    def widen(self, columns: Mapping[str, type]) -> None:
        """From now on strategies read these columns of decisions."""


class Runner:
    """Runs the stages of `supervisor` to their end, or until it is asked to stop.

    Errors of a feed stop the run in an orderly way: what was accepted before is decided and durable
    when they are raised. Errors of a strategy or of the store end it at once; what is durable
    stays so and the run can be resumed. `began` is when the hosts were there (monotonic
    seconds), None before.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        feeds: Mapping[str, StageFeed],
        log: int,
        read_held: ReadsHeld,
    ) -> None:
        self._supervisor = supervisor
        self._read_held = read_held
        self._feeds = feeds
        self._log = log
        self._inbox: SimpleQueue[Message | Exception] = SimpleQueue()
        self._commands: deque[Command] = deque()
        self._feed_error: FeedError | None = None
        self._ticked = 0.0
        self.began: float | None = None

    def post(self, message: Message | Exception) -> None:
        """Tell the runner something; from any thread, never waits."""
        self._inbox.put(message)

    def run(self, hosts: Hosts, committer: Committer) -> bool:
        """Returns True at the end of the input, False if it was stopped before."""
        try:
            completed = self._loop(hosts, committer)
        finally:
            committer.close()
        if self._feed_error is not None:
            raise self._feed_error
        return completed

    def _loop(self, hosts: Hosts, committer: Committer) -> bool:
        self._commands.extend(self._supervisor.start(self._log, monotonic()))
        while True:
            if self._commands and self._inbox.empty():
                command = self._commands.popleft()
                if isinstance(command, Finish):
                    return command.completed
                self._carry_out(command, hosts, committer)
            else:
                self._tell(self._next())
            if monotonic() - self._ticked >= TICK_SECONDS:
                self._tick()

    def _next(self) -> Message | Exception:
        try:
            return self._inbox.get(timeout=TICK_SECONDS)
        except Empty:
            return Tick(monotonic())

    def _tick(self) -> None:
        self._ticked = monotonic()
        self._tell(Tick(self._ticked))

    def _tell(self, message: Message | Exception) -> None:
        if isinstance(message, Exception):
            raise message
        self._commands.extend(self._supervisor.handle(message))
        if self.began is None and self._supervisor.staffed:
            self.began = monotonic()

    def _carry_out(self, command: Command, hosts: Hosts, committer: Committer) -> None:
        match command:
            case Pull():
                self._tell(self._read(command))
            case Commit():
                committer.put(command)
            case Advance():
                self._feeds[command.stage].advance(command)
            case ReadHeld():
                self._tell(HeldRead(command.stage, command.who, self._read_held(command)))
            case Switch():
                hosts.carry_out(command)
                for stage, columns in command.columns.items():
                    self._feeds[stage].widen(columns)
            case Finish():
                raise AssertionError("the loop ends before a Finish is carried out")
            case _:
                hosts.carry_out(command)

    def _read(self, command: Pull) -> Message:
        asked = monotonic()
        try:
            read = self._feeds[command.stage].read(command.limit)
            return replace(read, at=asked - read.age) if isinstance(read, BatchArrived) else read
        except FeedError as error:
            self._feed_error = self._feed_error or error
            self._commands.extend(self._supervisor.handle(StopRequested()))
            return FeedIdle(command.stage)
