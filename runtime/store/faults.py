"""What SQLite and the file system complain of, as store errors."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import (
    StoreDamaged,
    StoreError,
    StoreForbidden,
    StoreFull,
    StoreLocked,
    StoreMissing,
)

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_ROOM_CODES = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,  # what SQLite makes of a quota or a file size limit
    sqlite3.SQLITE_IOERR_SHMSIZE,
}
_MISUSE = (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_FORBIDDEN = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise the `StoreError` that fits for any error of SQLite or the file system inside.

    A `ValueError` (text that is not Unicode, say) counts as something that the store
    cannot hold, but for a `UnicodeDecodeError`: then it is the store that holds no text.
    """
    try:
        yield
    except (sqlite3.Error, OSError, ValueError) as error:
        raise store_fault(path, error) from error


def store_fault(path: Path, error: sqlite3.Error | OSError | ValueError) -> StoreError:
    """The store error that says what `error` means for the store at `path`, and what to do."""
    if isinstance(error, OSError):
        return _file_fault(path, error)
    if isinstance(error, UnicodeDecodeError):
        return _damaged(path, error)
    if isinstance(error, sqlite3.Error) and not isinstance(error, _MISUSE):
        return _sqlite_fault(path, error)
    return StoreError(f"store {path} cannot hold or find this ({error}): correct the call")


def _file_fault(path: Path, error: OSError) -> StoreError:
    if error.errno in _NO_SPACE:
        return _full(path, error)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return StoreMissing(f"no store at {path}: check the path, or create the folder first")
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return _forbidden(path, error)
    return StoreDamaged(f"store {path} cannot be used ({error}): check the disk")


def _sqlite_fault(path: Path, error: sqlite3.Error) -> StoreError:
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code in _NO_ROOM_CODES:
        return _full(path, error)
    primary = code & 0xFF
    if primary in _LOCKED:
        return StoreLocked(f"another program holds {path} ({error}): close it and try again")
    if primary in _FORBIDDEN:
        return _forbidden(path, error)
    if primary == sqlite3.SQLITE_CANTOPEN:
        return _unopened(path, error)
    return _damaged(path, error)


def _unopened(path: Path, error: sqlite3.Error) -> StoreError:
    try:
        path.stat()
    except OSError as reason:
        return _file_fault(path, reason)
    return _forbidden(path, error)


def _damaged(path: Path, error: Exception) -> StoreDamaged:
    return StoreDamaged(
        f"store {path} is damaged or was changed by another program ({error}):"
        " restore it from a copy, or check the disk"
    )


def _full(path: Path, error: Exception) -> StoreError:
    return StoreFull(
        f"no space left for {path} ({error}): nothing of the refused write was stored;"
        " free disk space (or raise the quota) and try again"
    )


def _forbidden(path: Path, error: Exception) -> StoreError:
    return StoreForbidden(
        f"no permission for {path} ({error}): SQLite must be able to write in its folder"
        " even to read; change the permissions, or copy the store into a folder of your own"
    )
