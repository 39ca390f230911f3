"""`lucent store serve`: a store for clients of KurrentDB."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.cli.copying import file_at
from runtime.cli.listening import (
    PORT,
    address,
    certificates,
    check_listenable,
    check_pair,
    is_loopback,
    read_pem,
)
from runtime.cli.screen import complain, say
from runtime.errors import AddressUnusable, ConfigError, UsersUnusable
from runtime.store import SqliteStore
from runtime.store.access import Directory

if TYPE_CHECKING:
    from runtime.store.wire import Access, Serving

Store = Annotated[str, typer.Argument(help="The store, a file; made if it is missing.")]
Listen = Annotated[
    str,
    typer.Option(help="Host and port to listen on; port 0 takes a free one.", metavar="HOST:PORT"),
]
Certificate = Annotated[
    Path | None, typer.Option("--tls-cert", help="The server's certificate chain (PEM).")
]
Key = Annotated[Path | None, typer.Option("--tls-key", help="The certificate's key (PEM).")]
Authority = Annotated[
    Path | None,
    typer.Option(
        "--tls-client-ca",
        help="Every client must show a certificate signed by one of these (PEM); its common"
        " name is the user of calls without credentials.",
    ),
]
UsersFile = Annotated[
    Path | None,
    typer.Option(
        "--users",
        help="Ask callers who they are: the file that 'lucent store users' makes. Without TLS"
        " passwords travel in clear, so then only a loopback address can be listened on.",
    ),
]
Anonymous = Annotated[
    bool,
    typer.Option(
        "--allow-anonymous",
        help="Let callers without credentials do what is open to everybody ($all).",
    ),
]
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


def serve_(  # noqa: PLR0913, PLR0917 (the options of a command)
    store: Store,
    listen: Listen = f"127.0.0.1:{PORT}",
    tls_cert: Certificate = None,
    tls_key: Key = None,
    tls_client_ca: Authority = None,
    users: UsersFile = None,
    allow_anonymous: Anonymous = False,  # noqa: FBT002
    advertise: Advertise = None,
    start_standard_projections: Projections = False,  # noqa: FBT002
) -> None:
    """Serve a store to clients of KurrentDB (gRPC), until it is interrupted.

    Without --users nobody is asked who they are: listen on an address that only friends can
    reach. The file of users is read again at SIGHUP.
    """
    from runtime.store.wire import Serving  # noqa: PLC0415 (gRPC takes long to load)

    path = file_at(store)
    host, port = address(listen)
    _check_options(tls_cert, tls_key, tls_client_ca)
    if users is not None and tls_cert is None and not is_loopback(host):
        raise AddressUnusable(
            f"passwords would travel to {host} in clear: give --tls-cert and --tls-key,"
            " or listen on 127.0.0.1"
        )
    serving = Serving(
        host,
        port,
        advertise,
        *check_pair(tls_cert, tls_key),
        _authority(tls_client_ca),
        _access(users, anonymous=allow_anonymous),
        start_standard_projections=start_standard_projections,
    )
    check_listenable(host, port)
    with SqliteStore.open(path) as opened:
        asyncio.run(_serve(opened, serving))


async def _serve(opened: SqliteStore, serving: Serving) -> None:
    from runtime.store.wire import serve  # noqa: PLC0415

    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    if serving.access is not None:
        users = serving.access.users
        loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, _reload, users))
    async with serve(opened, serving, interrupted) as port:
        tls = "true" if serving.certificate else "false"
        host = serving.advertised or serving.host
        say(f"serving esdb://{host}:{port}?Tls={tls}; stop it with Ctrl-C")
        await interrupted.wait()


def _check_options(certificate: Path | None, key: Path | None, authority: Path | None) -> None:
    if (certificate is None) != (key is None):
        raise AddressUnusable("TLS needs both: give --tls-cert and --tls-key")
    if authority is not None and certificate is None:
        raise AddressUnusable("--tls-client-ca needs TLS: give --tls-cert and --tls-key")


def _reload(users: Directory) -> None:
    try:
        users.reload()
    except UsersUnusable as error:
        complain(type(error).__name__, f"{error}; the users stay as they were")


def _access(users: Path | None, *, anonymous: bool) -> Access | None:
    from runtime.store.wire import Access  # noqa: PLC0415

    if users is not None:
        return Access(Directory.open(users), anonymous)
    if anonymous:
        raise ConfigError("--allow-anonymous needs --users: without it everybody may do everything")
    return None


def _authority(path: Path | None) -> bytes | None:
    pem = read_pem(path)
    if pem is not None:
        certificates(pem, path)
    return pem
