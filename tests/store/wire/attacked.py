"""A server that is attacked, and plain connections to it."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from esdbclient import NewEvent

from tests.support.server import Server, serving

MIB = 1024 * 1024
SECONDS = 30
CONNECTIONS = 1_000
"""How many there may be at once."""

FILES_EACH = 3
OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)
ANY_LENGTH = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))


@contextmanager
def attacked(folder: Path) -> Iterator[Server]:
    """A server in a process of its own, to which many connections can be made."""
    _allow_files(CONNECTIONS * FILES_EACH)
    with serving(folder / "served.db") as process:
        yield process


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), SECONDS)


def _allow_files(count: int) -> None:
    """Let this process, and those that it starts, have `count` files open, if that is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def room_for(connections: int) -> int:
    """How many connections may be open at once, `connections` if the limits allow it."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = connections if soft == resource.RLIM_INFINITY else min(connections, soft // FILES_EACH)
    if room < connections:
        print(f"{room} connections in place of {connections}: the limit of open files is {soft}")
    return room


def new() -> NewEvent:
    return NewEvent("Seen", b"{}")
