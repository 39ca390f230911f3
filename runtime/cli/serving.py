"""`lucent store`: the store itself, beside the runs that write to it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.cli.screen import say
from runtime.errors import AddressUnusable
from runtime.store import SqliteStore

if TYPE_CHECKING:
    from runtime.store.wire import Serving

PORT = 2113
"""The port that KurrentDB's clients expect."""

store = typer.Typer(
    name="store",
    help="The event store: serve it to clients of KurrentDB.",
    no_args_is_help=True,
)
Path_ = Annotated[Path, typer.Argument(help="The store; made if it is missing.")]
Listen = Annotated[
    str,
    typer.Option(help="Host and port to listen on; port 0 takes a free one.", metavar="HOST:PORT"),
]
Certificate = Annotated[
    Path | None, typer.Option("--tls-cert", help="The server's certificate chain (PEM).")
]
Key = Annotated[Path | None, typer.Option("--tls-key", help="The certificate's key (PEM).")]
Advertise = Annotated[
    str | None, typer.Option(help="The host that clients are told to reach, if it is another.")
]
Projections = Annotated[
    bool,
    typer.Option(
        "--start-standard-projections",
        help="Run the standard projections ($by_category and the others), now and from now on.",
    ),
]


@store.callback()
def commands() -> None:
    """The event store: serve it to clients of KurrentDB."""


@store.command("serve")
def serve_(
    path: Path_,
    listen: Listen = f"127.0.0.1:{PORT}",
    tls_cert: Certificate = None,
    tls_key: Key = None,
    advertise: Advertise = None,
    start_standard_projections: Projections = False,  # noqa: FBT002
) -> None:
    """Serve a store to clients of KurrentDB (gRPC), until it is interrupted.

    Nobody is asked who they are: listen on an address that only friends can reach.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from runtime.store.wire import Serving  # noqa: PLC0415 (gRPC takes long to load)

    host, port = _address(listen)
    if (tls_cert is None) != (tls_key is None):
        raise AddressUnusable("TLS needs both: give --tls-cert and --tls-key")
    serving = Serving(
        host,
        port,
        advertise,
        _read(tls_cert),
        _read(tls_key),
        start_standard_projections=start_standard_projections,
    )
    with SqliteStore.open(path) as opened:
        asyncio.run(_serve(opened, serving))


async def _serve(opened: SqliteStore, serving: Serving) -> None:
    from runtime.store.wire import serve  # noqa: PLC0415

    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    async with serve(opened, serving) as port:
        tls = "true" if serving.certificate else "false"
        host = serving.advertised or serving.host
        say(f"serving esdb://{host}:{port}?Tls={tls}; stop it with Ctrl-C")
        await interrupted.wait()


def _address(listen: str) -> tuple[str, int]:
    host, separator, number = listen.rpartition(":")
    if not separator or not host or not number.isdecimal() or int(number) > 65535:
        raise AddressUnusable(f"{listen!r} is no address: give HOST:PORT, as 127.0.0.1:{PORT}")
    return host, int(number)


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise AddressUnusable(f"{path} cannot be read ({error.strerror}): check the path") from None
