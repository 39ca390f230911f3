"""Calls that outlive lost connections, changes of leader and servers that are away for a while."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from threading import Event
from time import monotonic
from typing import TypeVar

import grpc

from runtime.errors import StoreClosed, StoreError, StoreUnreachable, StreamNotFound
from runtime.events import RecordedEvent
from runtime.store.kurrent import batches
from runtime.store.kurrent.address import check_address
from runtime.store.kurrent.client import RAISED, Client, is_deadline, reason, told
from runtime.store.opening import shown
from runtime.store.port import Append, Appended

PATIENCE = 60.0
"""Seconds for which a call is tried again, before the server counts as gone."""

GREETING = 10.0
"""Those for a server that is to be read from only, until it has answered once."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds between tries: doubled each time, of which between half and all is waited."""

MOST_AT_ONCE = 512
"""Appends that are sent before the answer to the first of them is waited for."""

T = TypeVar("T")


class Line:
    """The calls of a store to its server, tried again for `patience` seconds, which may be changed.

    Raises `StoreUnreachable` once that is over, `StoreClosed` when it is closed meanwhile,
    and what will not change by waiting at once.
    """

    def __init__(self, address: str, patience: float = PATIENCE, *, leader: bool = True) -> None:
        """Reads are made of the `leader`, or else of the node that the address prefers.

        Waits for the server. Raises `AddressUnusable`.
        """
        check_address(address)
        self.name = shown(address)
        self.patience = patience
        self._closed = Event()
        self._client = self._connected(address, leader=leader)

    @property
    def closed(self) -> bool:
        """Whether the line was closed."""
        return self._closed.is_set()

    def close(self) -> None:
        """End all calls; closing twice is allowed."""
        self._closed.set()
        self._client.close()

    def call(self, act: Callable[[Client], T], stream: str = "") -> T:
        """What `act` returns; it must be safe to be done twice. `stream` is told in errors."""
        pauses = self._pauses()
        while True:
            channel = self._client.channel
            try:
                self._check()
                return act(self._client)
            except (StoreError, *RAISED) as error:
                self._judge(error, stream)
                pause = next(pauses, None)
                if pause is None:
                    raise self._silent(error) from None
                self._wait(pause)
                self._mend(channel, error)

    def page(
        self, stream: str, start: int | None, limit: int, *, backwards: bool
    ) -> list[RecordedEvent]:
        """Events of a stream, none if there is no such stream; raises `StreamDeleted`.

        Without `start` from the first event, or backwards from the last.
        """
        try:
            return self.call(
                lambda client: client.stream_page(stream, start, limit, backwards=backwards), stream
            )
        except StreamNotFound:
            return []

    def last(self, stream: str) -> RecordedEvent | None:
        """The last event of `stream` that is shown; raises `StreamDeleted`."""
        return next(iter(self.page(stream, None, 1, backwards=True)), None)

    def append(self, appends: Sequence[Append]) -> list[Appended | StoreError]:
        """What became of each of `appends`, which are sent together, each on its own.

        Those of one stream are not sent together: put them into one append.
        """
        outcomes: dict[int, Appended | StoreError] = {}

        def send(client: Client) -> None:
            left = [one for one in enumerate(appends) if one[0] not in outcomes]
            for first in range(0, len(left), MOST_AT_ONCE):
                part = dict(left[first : first + MOST_AT_ONCE])
                requests = list(batches.requests(part.items(), client.seconds))
                for answer in client.append(requests):
                    number = batches.number_of(answer)
                    outcome = batches.outcome(answer, part[number])
                    if outcome is not None:
                        outcomes[number] = outcome
            if len(outcomes) < len(appends):
                raise ValueError("the call was closed before all was answered")

        if appends:
            self.call(send)
        return [outcomes[number] for number in range(len(appends))]

    def lasting(self, begin: Callable[[Client], Iterator[T]]) -> Iterator[T]:
        """What `begin` yields, begun again whenever it ends; it must go on where it was.

        Ends with `StoreClosed` when the line is closed.
        """
        pauses = self._pauses()
        while True:
            channel = self._client.channel
            try:
                self._check()
                for item in begin(self._client):
                    pauses = self._pauses()
                    yield item
            except (StoreError, *RAISED) as error:
                self._judge(error, "")
                if is_deadline(error):
                    continue
                pause = next(pauses, None)
                if pause is None:
                    raise self._silent(error) from None
                self._wait(pause)
                self._mend(channel, error)

    def _pauses(self) -> Iterator[float]:
        until = monotonic() + self.patience
        pause = FIRST_PAUSE
        while monotonic() < until:
            yield pause * random.uniform(0.5, 1.0)  # noqa: S311 (not a secret)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _connected(self, address: str, *, leader: bool) -> Client:
        """A client that has found its node."""
        pauses = self._pauses()
        while True:
            try:
                return Client(address, leader=leader)
            except RAISED as error:
                cause = error.__cause__
                self._judge(cause if isinstance(cause, RAISED) else error, "")
                pause = next(pauses, None)
                if pause is None:
                    raise self._silent(error) from None
                self._wait(pause)

    def _check(self) -> None:
        if self.closed:
            raise StoreClosed(f"store {self.name} is closed")

    def _judge(self, error: Exception, stream: str) -> None:
        self._check()
        final = told(error, stream)
        if final is not None:
            raise final from None

    def _silent(self, error: Exception) -> StoreUnreachable:
        return StoreUnreachable(
            f"{self.name} gave no answer for {self.patience:g} s ({_named(error)}): see that"
            " a KurrentDB is up there, with TLS or without as the address says; run again to go on"
        )

    def _wait(self, seconds: float) -> None:
        self._closed.wait(seconds)
        self._check()

    def _mend(self, channel: grpc.Channel, error: Exception) -> None:
        try:
            self._client.mend(channel, error)
        except RAISED as again:
            self._judge(again, "")


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {reason(error)}".strip(": ")
