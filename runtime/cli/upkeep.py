"""`lucent store check`, `backup`, `restore` and `scavenge`: the care of a store file."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.cli.copying import NewStore, file_at, say_copy, working
from runtime.cli.screen import plain, printable, say
from runtime.errors import ConfigError
from runtime.events import parse_time
from runtime.store import SqliteStore
from runtime.store import upkeep as care
from runtime.store.upkeep import Checkup

LOCK_WAIT = 10.0
"""Seconds to wait for a writer that has not let go of the store yet."""

Store = Annotated[str, typer.Argument(help="The store, a file.")]
Backup = Annotated[str, typer.Argument(help="A backup, or any store.")]


def check(store: Store) -> None:
    """Check a store file from end to end; exit code 1 if it is not sound.

    A run may be writing to it. Signatures and chains are checked by 'lucent verify'.
    """
    checkup = care.check(file_at(store))
    for finding in checkup.findings:
        say(("damaged", "red"), f" {printable(str(finding))}")
    if checkup.sound:
        say(("sound", "green"), f": {_extent(checkup)}")
        return
    count = len(checkup.findings) + checkup.more
    told = f" ({checkup.more:,} not shown)" if checkup.more else ""
    say(f"{count:,} finding{'' if count == 1 else 's'}{told} in {_extent(checkup)}")
    raise typer.Exit(1)


def backup(
    store: Store,
    file: Annotated[str, typer.Argument(help="The backup to make, where there is no file.")],
) -> None:
    """Copy a store as it is at this moment, and check the copy; a run may be writing to it.

    The copy is a store: every command can read it.
    """
    with working("copying pages") as told:
        say_copy("backed up", care.backup(file_at(store), file_at(file), told))


def restore(
    backup: Backup,
    store: NewStore,
    position: Annotated[
        int | None, typer.Option(help="Up to this position of the log (included).")
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="As it was at this time (RFC 3339, UTC).")
    ] = None,
) -> None:
    """Make a new store of a backup, of all of it or up to a position or a time.

    A run whose store ends earlier goes on from there, to the same root.
    """
    if position is not None and time is not None:
        raise ConfigError("--position and --time exclude each other: give one of them")
    moment = None if time is None else _moment(time)
    with working("copying pages") as told:
        origin, target = file_at(backup), file_at(store)
        copy = care.restore(origin, target, position=position, time=moment, progress=told)
    say_copy("restored", copy)


def scavenge(store: Store) -> None:
    """Remove for good what deletions and the metadata of streams hide; nobody else may write.

    What stays keeps its place and can be verified as before.
    """
    with SqliteStore.open(file_at(store), create=False, wait=LOCK_WAIT) as opened:
        pruned = opened.scavenge()
    say(f"scavenged {plain(pruned.events)} events of {plain(pruned.size)} bytes")


def _extent(checkup: Checkup) -> str:
    scavenged = f" ({checkup.scavenged:,} more scavenged)" if checkup.scavenged else ""
    streams = f"{checkup.events:,} events{scavenged} in {checkup.streams:,} streams"
    return f"{streams}, up to position {checkup.position}, schema {checkup.schema}"


def _moment(text: str) -> int:
    try:
        return parse_time(text)
    except ValueError as error:
        raise ConfigError(f"--time: {error}; write 2025-07-22T10:30:00Z") from None
