"""Who may write: the epoch of each name, which every claim of it raises."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from runtime.errors import Fenced
from runtime.store.port import Fence

_RAISE = "INSERT INTO fences VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET epoch = epoch + 1"
_EPOCH = "SELECT epoch FROM fences WHERE name = ?"


@dataclass(frozen=True, slots=True)
class Claim:
    """Asks for the next epoch of `name`; takes its turn among the writes."""

    name: str


def raise_epoch(connection: sqlite3.Connection, name: str) -> Fence:
    """Raise the epoch of `name` by one, in the transaction that is open."""
    connection.execute(_RAISE, (name,))
    epoch = _epoch(connection, name)
    assert epoch is not None
    return Fence(name, epoch)


def check_fence(connection: sqlite3.Connection, fence: Fence) -> None:
    """Raise `Fenced` unless `fence` is the last claim of its name."""
    check_epoch(fence, _epoch(connection, fence.name))


def check_epoch(fence: Fence, current: int | None) -> None:
    """Raise `Fenced` unless `current` (None: never claimed) is the epoch of `fence`."""
    if current == fence.epoch:
        return
    said = f"{fence.name!r} writes under epoch {fence.epoch}, but"
    if current is not None and fence.epoch < current:
        raise Fenced(
            f"{said} its current epoch is {current}: another process has taken it over;"
            " nothing was written; stop this one, the other goes on"
        )
    stands = "was never claimed in this store" if current is None else f"stands at {current}"
    raise Fenced(
        f"{said} it {stands}: the claim was made in another store, or this one is an older copy;"
        " nothing was written; claim the name in this store"
    )


def _epoch(connection: sqlite3.Connection, name: str) -> int | None:
    row: tuple[int] | None = connection.execute(_EPOCH, (name,)).fetchone()
    return row[0] if row else None
