"""The file of users, as a process that serves or edits it holds it."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runtime.errors import UserInvalid, UsersUnusable
from runtime.store.access.users import Users, read_users, write_users
from runtime.store.lock import try_lock
from runtime.store.schema import sync_folder

MODE = 0o600
"""The permissions of a file that is made."""

OPEN_TO_OTHERS = stat.S_IRWXO | stat.S_IWGRP
"""Permissions that a file of users must not have."""

LARGEST = 16 * 1024 * 1024
"""In bytes."""

WAIT_SECONDS, POLL_SECONDS = 5.0, 0.02


class Directory:
    """Who the users are, as last read from their file. Safe to share between threads."""

    def __init__(self, path: Path, users: Users) -> None:
        """Use `open`."""
        self._path = path
        self._users = users

    @classmethod
    def open(cls, path: Path, *, create: bool = False) -> Directory:
        """Read the file at `path`; with `create` a missing one holds nobody, and is made later.

        Raises `UsersUnusable` for one that is missing, malformed, or open to other users of
        the machine.
        """
        place = path.resolve()
        if create and not place.exists():
            return cls(place, Users())
        return cls(place, _read(place))

    @property
    def users(self) -> Users:
        """Who they are."""
        return self._users

    def reload(self) -> None:
        """Read the file again, when nobody changes it, for which it waits as `change` does.

        Raises as `open` does, and then everything stays as it was.
        """
        with _translated(self._path, "read"), _alone(self._path):
            self._users = _read(self._path)

    def change(self, change: Callable[[Users], Users]) -> None:
        """Apply `change` to what the file holds now, and put the outcome in its place, durably.

        No change that another process makes meanwhile is lost. Waits for that one, a few
        seconds at the most. Raises `UsersUnusable`, or what `change` raises; then the file
        stays as it was.
        """
        with _translated(self._path, "changed"), _alone(self._path):
            users = change(_read(self._path) if self._path.exists() else Users())
            _replace(self._path, write_users(users))
            self._users = users


def _read(path: Path) -> Users:
    with _translated(path, "read"), path.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        data = file.read(LARGEST + 1)
    if mode & OPEN_TO_OTHERS:
        raise UsersUnusable(
            f"the file of users {path} is open to others (mode {stat.S_IMODE(mode):04o}):"
            f" run 'chmod 600 {path}'"
        )
    if len(data) > LARGEST:
        raise UsersUnusable(f"the file of users {path} is larger than {LARGEST} bytes")
    try:
        return read_users(data)
    except UserInvalid as error:
        raise UsersUnusable(f"the file of users {path} is malformed: {error}") from None


def _replace(path: Path, data: bytes) -> None:
    """Put `data` in the place of the file, whole or not at all; its owner and mode stay."""
    draft = path.with_name(f".{path.name}.draft")
    with suppress(FileNotFoundError):
        draft.unlink()
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "wb") as file:
        if path.exists():
            before = path.stat()
            os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from changing a file of users in that folder."""
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while not try_lock(handle):
            if time.monotonic() > deadline:
                raise UsersUnusable(f"another process is changing {path}: try again")
            time.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(handle)


@contextmanager
def _translated(path: Path, act: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise UsersUnusable(f"no folder {path.parent}: create it first") from None
        raise UsersUnusable(
            f"no file of users at {path}: make one with 'lucent store users add admin"
            f" --users {path}'"
        ) from None
    except OSError as error:
        raise UsersUnusable(
            f"the file of users {path} cannot be {act} ({error.strerror}): check the path"
        ) from None
