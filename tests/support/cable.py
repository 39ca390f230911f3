"""A TCP connection that breaks: everything passes through, until it is cut."""

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
    _lock: Lock = field(default_factory=Lock)

    def carry(self, near: socket.socket) -> None:
        far = socket.create_connection(("127.0.0.1", self.target))
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        left = [self.allowance()]
        for source, sink in ((near, far), (far, near)):
            Thread(target=self._pump, args=(source, sink, left), daemon=True).start()

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
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
                each.close()


@contextmanager
def breaking(target: int, allowance: Callable[[], int | None]) -> Iterator[Cable]:
    """A cable to `target` inside the block."""
    cable = Cable(target, allowance)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cable.port = listener.getsockname()[1]

        def accept() -> None:
            with suppress(OSError):
                while True:
                    cable.carry(listener.accept()[0])

        Thread(target=accept, daemon=True).start()
        yield cable
