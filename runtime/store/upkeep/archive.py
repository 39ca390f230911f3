"""Exported files as they are read: what they are, and the entries in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from runtime.errors import ArchiveInvalid
from runtime.events import Entry
from runtime.store.upkeep.backup import Progress
from runtime.store.upkeep.columns import SCHEMA, read_row, read_rows
from runtime.store.upkeep.line import decode_line

Form = Literal["ndjson", "parquet"]
Placed = tuple[str, Entry]
"""What a line or a row is called, and the entry in it."""

TOLD_EVERY = 10_000
"""Entries after which progress is told."""

MOST_LINE = 256 * 2**20
"""Bytes of a line; KurrentDB's largest event has 16 MiB."""

BATCH_ROWS = 1024
"""Rows of a Parquet file that are looked at together, if its row groups are as large."""


def form_of(path: Path) -> Form:
    """What a file is by its name; raises `ArchiveInvalid` if the name does not tell."""
    match path.suffix:
        case ".ndjson" | ".jsonl":
            return "ndjson"
        case ".parquet":
            return "parquet"
    raise ArchiveInvalid(f"{path} is neither .ndjson nor .parquet: give it one of these endings")


def read_archive(path: Path, progress: Progress) -> Iterator[Placed]:
    """The entries of a file, in their order; `progress` is told of bytes read, or of rows.

    Raises `ArchiveInvalid` where one cannot be read, and names it.
    """
    return _rows(path, progress) if form_of(path) == "parquet" else _lines(path, progress)


def _lines(path: Path, progress: Progress) -> Iterator[Placed]:
    """The entry of each line, and what the line is called."""
    with _read(path), path.open("rb") as file:
        total = path.stat().st_size
        number = 0
        while line := file.readline(MOST_LINE):
            number += 1
            where = f"line {number}"
            with named(path, where):
                if not line.endswith(b"\n"):
                    raise ValueError("it is cut off, or longer than any that is exported")
                entry = decode_line(line[:-1])
            yield where, entry
            if number % TOLD_EVERY == 0:
                progress(file.tell(), total)


def _rows(path: Path, progress: Progress) -> Iterator[Placed]:
    """The entry of each row of a Parquet file, and what the row is called."""
    with _read(path), pq.ParquetFile(path) as file:
        _check_schema(path, file.schema_arrow)
        for number, row in enumerate(_each_row(file), 1):
            where = f"row {number}"
            with named(path, where):
                entry = read_row(row)
            yield where, entry
            if number % TOLD_EVERY == 0:
                progress(number, file.metadata.num_rows)


def _each_row(file: pq.ParquetFile) -> Iterator[dict[str, Any]]:
    for group in range(file.num_row_groups):
        for batch in file.iter_batches(BATCH_ROWS, row_groups=[group]):
            yield from read_rows(batch)


def _check_schema(path: Path, found: pa.Schema) -> None:
    for wanted in SCHEMA:
        at = found.get_field_index(wanted.name)
        if at < 0 or found.field(at).type != wanted.type:
            raise ArchiveInvalid(f"{path} has no column {wanted.name!r} of type {wanted.type}")


@contextmanager
def _read(path: Path) -> Iterator[None]:
    """Say what is wrong with a file that cannot be read."""
    try:
        yield
    except OSError as error:
        said = error.strerror or error
        raise ArchiveInvalid(f"{path} cannot be read ({said}): check the path") from None
    except pa.ArrowException as error:
        said = str(error).rstrip(".")
        raise ArchiveInvalid(
            f"{path} is truncated, or no Parquet file ({said}); nothing was imported"
        ) from None


@contextmanager
def named(path: Path, where: str) -> Iterator[None]:
    """Say in which line or row something is wrong; nothing was imported."""
    try:
        yield
    except (ValueError, RecursionError) as error:
        raise ArchiveInvalid(f"{path}, {where}: {error}; nothing was imported") from None
