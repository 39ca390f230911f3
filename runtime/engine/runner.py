"""Drives the supervisor: carries its commands out and tells it what came of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Protocol

from runtime.engine.committer import Committer
from runtime.engine.messages import (
    Advance,
    BatchArrived,
    Command,
    Commit,
    DrainRequested,
    FeedEnded,
    FeedIdle,
    Finish,
    Message,
    Pull,
    Send,
    TakeSnapshot,
)
from runtime.engine.supervisor import Supervisor
from runtime.errors import FeedError
from runtime.store import EventStore

Post = Callable[[Message | Exception], None]
"""Puts a message, or the error that ended a helper, into the runner's inbox."""


class Hosts(Protocol):
    """The hosts of a run, by number. Each works on what it is given in order."""

    def send(self, command: Send) -> None:
        """Give a host its part; a `HostAnswered` is posted later."""

    def snapshot(self, command: TakeSnapshot) -> None:
        """Ask a host for its state; a `SnapshotTaken` is posted later."""

    def close(self) -> None:
        """Release the hosts."""


class StageFeed(Protocol):
    """What a stage reads: observations, or the decisions of earlier stages."""

    def read(self, limit: int) -> BatchArrived | FeedIdle | FeedEnded:
        """The next batch of at most `limit` events, if there is one now."""

    def advance(self, command: Advance) -> None:
        """The log is complete up to a watermark."""


class Runner:
    """Runs the stages of `supervisor` to their end, or until it is asked to drain.

    Errors of a feed drain the run first: what was accepted before is decided and durable
    when they are raised. Errors of a host or of the store end it at once; what is durable
    stays so and the run can be resumed.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        feeds: Mapping[str, StageFeed],
        store: EventStore,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._supervisor = supervisor
        self._feeds = feeds
        self._store = store
        self._progress = progress
        self._inbox: SimpleQueue[Message | Exception] = SimpleQueue()
        self._commands: deque[Command] = deque()
        self._feed_error: FeedError | None = None

    def post(self, message: Message | Exception) -> None:
        """Tell the runner something; from any thread, never waits."""
        self._inbox.put(message)

    def drain(self) -> None:
        """Ask for an orderly stop: nothing more is taken in, what is under way is finished."""
        self.post(DrainRequested())

    def run(self, hosts: Hosts, run: str) -> bool:
        """Returns True at the end of the input, False if it was drained before."""
        committer = Committer(self._store, run, self.post)
        try:
            completed = self._loop(hosts, committer)
        finally:
            committer.close()
        if self._feed_error is not None:
            raise self._feed_error
        return completed

    def _loop(self, hosts: Hosts, committer: Committer) -> bool:
        self._commands.extend(self._supervisor.start(self._store.end()))
        while True:
            if self._commands and self._inbox.empty():
                command = self._commands.popleft()
                if isinstance(command, Finish):
                    return command.completed
                self._carry_out(command, hosts, committer)
            else:
                self._tell(self._inbox.get())

    def _tell(self, message: Message | Exception) -> None:
        if isinstance(message, Exception):
            raise message
        self._commands.extend(self._supervisor.handle(message))
        self._progress()

    def _carry_out(self, command: Command, hosts: Hosts, committer: Committer) -> None:
        match command:
            case Pull():
                self._tell(self._read(command))
            case Send():
                hosts.send(command)
            case Commit():
                committer.put(command)
            case Advance():
                self._feeds[command.stage].advance(command)
            case TakeSnapshot():
                hosts.snapshot(command)
            case Finish():
                raise AssertionError("the loop ends before a Finish is carried out")

    def _read(self, command: Pull) -> Message:
        try:
            return self._feeds[command.stage].read(command.limit)
        except FeedError as error:
            self._feed_error = self._feed_error or error
            self.drain()
            return FeedIdle(command.stage)
