"""A way to a server that can be cut."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 65_536


@contextmanager
def proxied(port: int) -> Iterator[int]:
    """A port that leads to `port`; all its connections are cut at the end of the block."""
    ends: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as entrance:

        def admit() -> None:
            with suppress(OSError):
                while True:
                    near, _ = entrance.accept()
                    far = socket.create_connection(("127.0.0.1", port))
                    ends.extend((near, far))
                    for pair in ((near, far), (far, near)):
                        threading.Thread(target=_pump, args=pair, daemon=True).start()

        threading.Thread(target=admit, daemon=True).start()
        yield entrance.getsockname()[1]
        entrance.shutdown(socket.SHUT_RDWR)
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(CHUNK):
            sink.sendall(chunk)
