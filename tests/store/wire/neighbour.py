"""A well-behaved client, which must not notice what others do to its server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from uuid import uuid4

from esdbclient import EventStoreDBClient, NewEvent, StreamState

from tests.support.server import Server
from tests.support.waiting import until

TURNS = 3
"""Turns that it must have taken once an attack is over."""

WAIT_SECONDS = 60


class Neighbour(threading.Thread):
    """Appends to a stream of its own and reads it, again and again, until it is told to stop."""

    def __init__(self, uri: str) -> None:
        super().__init__(daemon=True)
        self.stream = f"neighbour-{uuid4()}"
        self.turns = 0
        self.failure: Exception | None = None
        self._uri = uri
        self._over = threading.Event()

    def run(self) -> None:
        try:
            with EventStoreDBClient(self._uri) as client:
                for number in count():
                    if self._over.is_set():
                        return
                    self._turn(client, number)
                    self.turns = number + 1
        except Exception as error:  # noqa: BLE001 (told by `stop`, in the test's own thread)
            self.failure = error

    def _turn(self, client: EventStoreDBClient, number: int) -> None:
        known = number - 1 if number else StreamState.NO_STREAM
        event = NewEvent("Turn", b"%d" % number)
        client.append_to_stream(
            self.stream, current_version=known, events=[event], timeout=WAIT_SECONDS
        )
        (last,) = client.get_stream(self.stream, backwards=True, limit=1, timeout=WAIT_SECONDS)
        assert last.id == event.id

    def wait(self, turns: int) -> None:
        """Wait until it has taken that many turns more; fails if it cannot."""
        wanted = self.turns + turns
        until(
            lambda: self.turns >= wanted or self.failure is not None,
            "the well-behaved client does not get ahead",
        )
        assert self.failure is None, self.failure

    def stop(self) -> None:
        self._over.set()
        self.join(WAIT_SECONDS)
        assert self.failure is None, self.failure


@contextmanager
def undisturbed(server: Server) -> Iterator[Neighbour]:
    """Have a neighbour go on while the block is at its worst, and a little longer.

    The server must be as well as before: it runs, complains of nothing, and has every event
    that was acknowledged.
    """
    neighbour = Neighbour(server.uri)
    neighbour.start()
    neighbour.wait(1)
    yield neighbour
    neighbour.wait(TURNS)
    neighbour.stop()
    assert server.running
    assert server.complaints() == ""
    with EventStoreDBClient(server.uri) as client:
        found = client.get_stream(neighbour.stream)
    assert [event.data for event in found] == [b"%d" % n for n in range(neighbour.turns)]
