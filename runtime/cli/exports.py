"""Decisions as files for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO

import msgspec
import pyarrow.parquet as pq

from runtime.cli.screen import write_line
from runtime.errors import ConfigError
from runtime.events import RecordedEvent, envelope
from runtime.jobs.records import SCHEMA, reading, record, table

_PAGE = 10_000
_SIDE_FILES = ("", "-wal", "-shm", "-journal", ".lock")


def write_lines(events: Iterator[RecordedEvent], out: Path | None, store: Path) -> None:
    """Write an envelope a line to `out`, or to standard output; raises `ConfigError`."""
    lines = map(_line, events)
    if out is None:
        for line in lines:
            write_line(line.decode())
        return
    with _created(out, store) as file:
        file.writelines(line + b"\n" for line in lines)


def write_parquet(events: Iterator[RecordedEvent], out: Path, store: Path) -> None:
    """Write the columns of `SCHEMA` to `out`; raises `ConfigError`."""
    with _created(out, store) as file, pq.ParquetWriter(file, SCHEMA) as writer:
        while page := [record(event) for event in islice(events, _PAGE)]:
            writer.write_table(table(page))


def _line(event: RecordedEvent) -> bytes:
    with reading(event):
        return msgspec.json.encode(envelope(event))


@contextmanager
def _created(path: Path, store: Path) -> Iterator[IO[bytes]]:
    """The file at `path`, which must not be there; never one of the store itself."""
    held = store.resolve()
    if path.resolve() in {held.with_name(held.name + suffix) for suffix in _SIDE_FILES}:
        raise ConfigError(f"--out {path} is the store, or a file of it: name another one")
    try:
        if path.is_file():
            raise ConfigError(f"--out {path} exists: name another file, or remove it first")
        with path.open("wb") as file:
            yield file
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from None
