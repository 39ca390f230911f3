"""Files that appear as a whole or not at all, and never in the place of another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory

from runtime.errors import StoreDamaged, StoreExists, StoreForbidden, StoreFull
from runtime.store.faults import translated
from runtime.store.schema import sync_folder

_BESIDE = ("", "-wal", "-shm", "-journal")


@contextmanager
def drafted(target: Path) -> Iterator[Path]:
    """Gives a path at which to make the file that `target` is to become.

    It is in a hidden folder beside `target`. After the block it is made durable and put in
    place; if the block raises, nothing is left (a process that is killed leaves the folder).

    Raises `StoreExists` if something stands at `target` by then, or remains of a store that
    did, and what `translated` makes of the file system's errors.
    """
    with translated(target):
        refuse_existing(target)
        with _folder(target) as folder:
            draft = Path(folder) / target.name
            try:
                yield draft
            except StoreFull as error:
                raise StoreFull(str(error).replace(str(draft), str(target))) from error
            _sync(draft)
            _refuse_left(draft)
            _put(draft, target)
        sync_folder(target.parent)


def refuse_existing(target: Path) -> None:
    """Raise `StoreExists` if there is anything at `target`, or left of a store there."""
    for suffix in _BESIDE:
        beside = target.with_name(target.name + suffix)
        if os.path.lexists(beside):
            what = f"{beside} is there already" if suffix == "" else f"{beside} is left of a store"
            raise StoreExists(f"{what}: nothing was written; name another file, or remove that")


def sha256_of(path: Path) -> str:
    """The SHA-256 digest of a file (hex), as `sha256sum` tells it."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _folder(target: Path) -> TemporaryDirectory[str]:
    try:
        return TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent)
    except PermissionError:
        raise StoreForbidden(
            f"no permission to write in {target.parent}: change the permissions, or name a file in"
            " another folder"
        ) from None


def _put(draft: Path, target: Path) -> None:
    """Give the draft its name; a link, unlike a rename, replaces nothing."""
    try:
        target.hardlink_to(draft)
    except FileExistsError:
        refuse_existing(target)
        raise
    except OSError:  # a file system without links
        refuse_existing(target)
        draft.rename(target)


def _refuse_left(draft: Path) -> None:
    """Raise `StoreDamaged` if some of the draft is not in the file itself yet."""
    log = draft.with_name(f"{draft.name}-wal")
    if log.exists() and log.stat().st_size:
        raise StoreDamaged(f"{log} could not be brought into the store: check the disk")


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
