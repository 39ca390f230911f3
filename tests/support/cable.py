"""The way to a server that breaks: everything passes through, until it is cut."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock, Thread

CHUNK = 16 * 1024


@dataclass
class Cable:
    """Passes connections on to `target`, a port here; each breaks after `allowance()` bytes.

    `allowance` answers None for a connection that is not to break. `cuts` counts those
    that broke.
    """

    target: int
    allowance: Callable[[], int | None]
    cuts: int = 0
    port: int = 0
    _ends: list[socket.socket] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def carry(self, near: socket.socket) -> None:
        far = socket.create_connection(("127.0.0.1", self.target))
        self._ends += (near, far)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        left = [self.allowance()]
        for source, sink in ((near, far), (far, near)):
            Thread(target=self._pump, args=(source, sink, left), daemon=True).start()

    def cut(self) -> None:
        """Break all connections."""
        for end in self._ends:
            _break(end)

    def _pump(self, source: socket.socket, sink: socket.socket, left: list[int | None]) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                with self._lock:
                    if left[0] is not None:
                        left[0] -= len(data)
                        if left[0] < 0:
                            self.cuts += 1
                            left[0] = None
                            break
                sink.sendall(data)
        for end in (source, sink):
            _break(end)


def _break(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def breaking(target: int, allowance: Callable[[], int | None] = lambda: None) -> Iterator[Cable]:
    """A cable to `target`; all that it carries breaks at the end of the block, if not before."""
    cable = Cable(target, allowance)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cable.port = listener.getsockname()[1]

        def accept() -> None:
            with suppress(OSError):
                while True:
                    cable.carry(listener.accept()[0])

        Thread(target=accept, daemon=True).start()
        try:
            yield cable
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            cable.cut()
