"""Reading history files in chunks, with every fault named."""

from __future__ import annotations

import csv
import gzip
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from hashlib import file_digest
from pathlib import Path
from typing import IO, Any

import msgspec
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from runtime.errors import ColumnMissing, ConfigError, FeedDamaged, FeedEmpty, FeedMissing
from runtime.feeds.spec import Format

CHUNK = 65_536
"""Rows read at a time."""

_SUFFIXES: dict[str, Format] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}

Chunk = tuple[int, pa.RecordBatch]
"""The number of the first row of a batch in its file, and the batch."""


def content_digest(path: Path) -> str:
    """Hex SHA-256 of a file; raises `FeedMissing`, also for a pipe or a device."""
    with _faults(path), path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def format_of(path: Path, declared: Format | None) -> Format:
    """The declared format, or that of the suffix (`.gz` aside); `ConfigError` if unknown."""
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    found = declared or _SUFFIXES.get(suffixes[-1] if suffixes else "")
    if found is None:
        raise ConfigError(f"{path} has no suffix that tells its format: declare `format`")
    return found


def read_chunks(
    path: Path, kind: Format, columns: Sequence[str] | None, start: int = 0
) -> Iterator[Chunk]:
    """The rows of a file from number `start` on, in batches of the named columns (None: all).

    Raises `FeedMissing`, `FeedEmpty`, `FeedDamaged` or `ColumnMissing`. Text formats give
    text columns; NDJSON gives float64 where all values of a batch are numbers.
    """
    readers = {"csv": _csv, "ndjson": _ndjson}
    seen = False
    with _faults(path):
        chunks = (
            _parquet(path, columns, start) if kind == "parquet" else readers[kind](path, columns)
        )
        for first, batch in chunks:
            skip = max(0, start - first)
            if skip < batch.num_rows:
                yield first + skip, batch.slice(skip)
            seen = seen or batch.num_rows > 0
    if not seen and start == 0:
        raise FeedEmpty(f"{path} holds no row")


def row_count_of(path: Path, kind: Format) -> int | None:
    """How many rows a file holds, where it says so itself (Parquet)."""
    if kind != "parquet":
        return None
    with _faults(path):
        return int(pq.read_metadata(path).num_rows)


_DAMAGE = (
    pa.ArrowException,
    EOFError,
    gzip.BadGzipFile,
    zlib.error,
    OSError,
    UnicodeDecodeError,
    csv.Error,
)


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise FeedMissing(f"cannot read {path}: it is a pipe or a device, not a file")
        yield
    except FileNotFoundError:
        raise FeedMissing(f"there is no file {path}: check `path` of the feed") from None
    except (PermissionError, IsADirectoryError) as error:
        raise FeedMissing(f"cannot read {path}: {error.strerror}") from None
    except _DAMAGE as error:
        text = str(error).partition("\n")[0]
        raise FeedDamaged(f"{path} is damaged, or not what its name says: {text}") from None


def _require(path: Path, columns: Sequence[str] | None, present: Sequence[str]) -> None:
    for column in columns or ():
        if column in present:
            if list(present).count(column) > 1:
                raise FeedDamaged(f"{path} has several columns {column!r}: rename all but one")
            continue
        near = get_close_matches(column, present, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ColumnMissing(
            f"{path} has no column {column!r}{hint} It has: {', '.join(sorted(present))}"
        )


def _parquet(path: Path, columns: Sequence[str] | None, start: int) -> Iterator[Chunk]:
    if path.stat().st_size == 0:
        raise FeedEmpty(f"{path} is an empty file")
    with pq.ParquetFile(path) as file:
        _require(path, columns, file.schema_arrow.names)
        groups: list[int] = []
        first = 0
        for number in range(file.num_row_groups):
            rows = file.metadata.row_group(number).num_rows
            if groups or first + rows > start:
                groups.append(number)
            else:
                first += rows
        for batch in file.iter_batches(CHUNK, row_groups=groups, columns=_listed(columns)):
            yield first, batch
            first += batch.num_rows


def _listed(columns: Sequence[str] | None) -> list[str] | None:
    return None if columns is None else list(columns)


def _csv(path: Path, columns: Sequence[str] | None) -> Iterator[Chunk]:
    if path.stat().st_size == 0:
        raise FeedEmpty(f"{path} is an empty file")
    with _open(path) as file:
        header = file.readline().decode("utf-8-sig").strip()
    names = [name.strip() for name in next(csv.reader([header]), [])]
    _require(path, columns, names)
    texts = pacsv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        include_columns=_listed(columns),
        strings_can_be_null=True,
        null_values=["", "null", "NULL", "None"],
    )
    options = pacsv.ReadOptions(column_names=names, skip_rows=1)
    first = 0
    if header and not _has_second_line(path):
        raise FeedEmpty(f"{path} has a header, but no row")
    with pacsv.open_csv(path, read_options=options, convert_options=texts) as reader:
        for batch in reader:
            yield first, batch
            first += batch.num_rows


def _has_second_line(path: Path) -> bool:
    with _open(path) as file:
        file.readline()
        return any(line.strip() for line in file)


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _ndjson(path: Path, columns: Sequence[str] | None) -> Iterator[Chunk]:
    decoder = msgspec.json.Decoder(dict[str, Any])
    rows: list[dict[str, Any]] = []
    first = 0
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                rows.append(decoder.decode(line.removeprefix(BOM_UTF8) if number == 1 else line))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise FeedDamaged(f"{path} line {number} is not a JSON object: {error}") from None
            if len(rows) == CHUNK:
                yield first, _batch_of(path, rows, columns, first)
                first, rows = first + len(rows), []
    if rows:
        yield first, _batch_of(path, rows, columns, first)


def _batch_of(
    path: Path, rows: list[dict[str, Any]], columns: Sequence[str] | None, first: int
) -> pa.RecordBatch:
    present = list(dict.fromkeys(name for row in rows for name in row))
    if first == 0:
        _require(path, columns, present)
    names = present if columns is None else columns
    return pa.RecordBatch.from_pydict(
        {name: _column([r.get(name) for r in rows]) for name in names}
    )


def _column(values: list[Any]) -> pa.Array:
    known = [value for value in values if value is not None]
    if known and all(type(value) is int and abs(value) < 2**63 for value in known):
        return pa.array(values, pa.int64())
    exact = all(type(value) is float or abs(value) < 2**53 for value in known if _is_number(value))
    if known and exact and all(_is_number(value) for value in known):
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    return pa.array([None if v is None else _text(v) for v in values], pa.string())


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
