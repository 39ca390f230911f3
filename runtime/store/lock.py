"""The lock that lets one process at a time write to a store."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from runtime.errors import StoreLocked
from runtime.store.faults import translated

POLL_SECONDS = 0.05


class WriterLock:
    """An exclusive `flock` on `<store>.lock`, which holds the pid of its owner.

    The kernel releases it when the process ends, however it ends. A child made by a
    bare fork keeps it until that child ends too.
    """

    def __init__(self, store: Path, wait: float) -> None:
        """Take the lock, waiting up to `wait` seconds for another writer to release it.

        Raises `StoreLocked` after that, `StoreForbidden` or `StoreMissing` if the lock
        file cannot be made.
        """
        with translated(store):
            path = store.with_name(store.name + ".lock")
            self._file: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                self._take(store, time.monotonic() + wait)
            except BaseException:
                self.release()
                raise

    def release(self) -> None:
        """Let another writer in; releasing twice is allowed."""
        if self._file is not None:
            os.close(self._file)
        self._file = None

    def __enter__(self) -> WriterLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def _take(self, store: Path, deadline: float) -> None:
        assert self._file is not None
        while not try_lock(self._file):
            left = deadline - time.monotonic()
            if left <= 0:
                raise StoreLocked(
                    f"{store} is being written to by process {_owner(self._file)}:"
                    " wait until it ends, or open the store for reading only"
                )
            time.sleep(min(POLL_SECONDS, left))
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)


def try_lock(file: int) -> bool:
    """Lock an open file or folder, unless another process has; True if that was done."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner(file: int) -> str:
    return os.pread(file, 32, 0).decode("ascii", "replace") or "(unknown)"
