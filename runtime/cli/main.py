"""The entry point of `lucent`, and how errors are told.

The commands are imported inside `main`, so that an interrupt while they load is handled too.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from errno import EDQUOT, EFBIG, EIO, ENOSPC
from pathlib import Path
from threading import enumerate as enumerate_threads
from typing import NoReturn

from runtime.errors import LucentError, RunInterrupted, StoreDamaged

DAMAGED, WRONG, PARKED, BROKEN, INTERRUPTED, CLOSED = 1, 2, 3, 70, 130, 141
"""Exit codes: a damaged store, wrong input, a run that left aggregates in quarantine, an error of
Lucent's own, an interrupt, a closed pipe."""

LOST = (EDQUOT, EFBIG, EIO, ENOSPC)
"""What writing fails with where a file cannot take it."""

TRACEBACK = "LUCENT_TRACEBACK"
"""The environment variable that asks for the traceback of an error of Lucent's own."""


def main() -> None:
    """Run the command; an error is told in one line, and the exit code says of what kind."""
    _open_missing()
    try:
        code = _run()
    except SystemExit as asked:
        code = asked.code if isinstance(asked.code, int) else int(asked.code is not None)
    except KeyboardInterrupt:
        code = INTERRUPTED
    _leave(_flushed(code))


def _run() -> int:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what it would log is told as an error
    from runtime.cli.screen import OutputClosed, complain, errors  # noqa: PLC0415

    try:
        from runtime.cli.command import app  # noqa: PLC0415

        app(prog_name="lucent")
    except LucentError as error:
        code = _exit_code(error)
        kind, text = type(error).__name__, str(error)
    except OutputClosed:
        return CLOSED
    except Exception as error:  # noqa: BLE001 (the outermost: nobody else can tell it)
        if isinstance(error, OSError) and error.errno in LOST:
            return _lost(error)
        code, kind = BROKEN, "InternalError"
        text = f"{type(error).__name__}: {error}. This is an error of Lucent's own: please"
        text += f" report it, with what {TRACEBACK}=1 adds"
        if os.environ.get(TRACEBACK):
            errors.print_exception()
    else:
        return 0
    with suppress(OSError, OutputClosed):
        complain(kind, text)
    return code


def _exit_code(error: LucentError) -> int:
    if isinstance(error, RunInterrupted):
        return INTERRUPTED
    return DAMAGED if isinstance(error, StoreDamaged) else WRONG


def _leave(code: int) -> NoReturn:
    """End the process; at once where an interrupted run is still at work in a thread.

    The interpreter would end that thread in the midst of native code, which aborts the process.
    """
    from runtime.engine.threads import RUN_THREAD  # noqa: PLC0415

    if code == INTERRUPTED and any(t.name == RUN_THREAD for t in enumerate_threads()):
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _open_missing() -> None:
    """What is written where nothing is open (`>&-`) goes nowhere."""
    nowhere = Path(os.devnull)
    sys.stdout = sys.stdout or nowhere.open("w", encoding="utf-8")
    sys.stderr = sys.stderr or nowhere.open("w", encoding="utf-8")


def _flushed(code: int) -> int:
    """Write out what is left, but nothing more to a pipe that was closed; returns the exit code."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code if isinstance(error, BrokenPipeError) else _lost(error)
    return code


def _lost(error: OSError) -> int:
    with suppress(OSError):
        sys.stderr.write(f"OutputLost: not all of the output could be written: {error.strerror}\n")
        sys.stderr.flush()
    return WRONG
