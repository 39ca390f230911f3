"""The whole log as a file for other programs: NDJSON, or Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import takewhile
from os import PathLike
from pathlib import Path

import pyarrow.parquet as pq

from runtime.errors import StoreDamaged
from runtime.events import Entry, RecordedEvent
from runtime.store.port import EventStore
from runtime.store.upkeep.archive import TOLD_EVERY, form_of
from runtime.store.upkeep.backup import Copy, Progress
from runtime.store.upkeep.columns import SCHEMA, row_groups
from runtime.store.upkeep.draft import drafted, sha256_of
from runtime.store.upkeep.line import encode_line

_COUNTED = ["position", "stream", "revision", "type", "recorded_at"]
"""The columns whose bounds are kept for each row group."""


def export(
    store: EventStore,
    target: str | PathLike[str],
    progress: Progress = lambda done, total: None,
) -> Copy:
    """Write the log up to its end by now to a new file, NDJSON or Parquet by its name.

    It holds all that `ingest` makes the same log of: what is hidden too, and what is kept
    of removed events. What stands beside the log is not in it: checkpoints, snapshots,
    epochs. The same log gives the same bytes. Works in bounded memory, while others write.
    `progress` is told of positions. Raises `ArchiveInvalid` for a name without a known
    ending, `StoreExists` if something stands there, and what reading raises.
    """
    place = Path(target).absolute()
    form = form_of(place)
    counted = _Counted(store.entries(), store.end(), progress)
    with drafted(place) as draft:
        if form == "ndjson":
            _write_lines(counted, draft)
        else:
            _write_parquet(counted, draft)
        digest = sha256_of(draft)
    return Copy(place, counted.events, counted.position, digest)


class _Counted:
    """Entries up to a position, counted and checked as they pass."""

    def __init__(self, entries: Iterable[Entry], end: int, progress: Progress) -> None:
        self._entries = takewhile(lambda entry: entry.position <= end, entries)
        self._end = end
        self._progress = progress
        self.events = 0
        self.position = -1

    def __iter__(self) -> Iterator[Entry]:
        for number, entry in enumerate(self._entries):
            _check_form(entry)
            yield entry
            self.events += isinstance(entry, RecordedEvent)
            self.position = entry.position
            if number % TOLD_EVERY == 0:
                self._progress(entry.position, self._end)


def _check_form(entry: Entry) -> None:
    """Raise `StoreDamaged` for an event that no file could hold as it is."""
    wanted = {"event_id": bytes, "revision": int}
    if isinstance(entry, RecordedEvent):
        wanted |= {"type": str, "data": bytes, "metadata": bytes, "recorded_at": int}
    sound = all(isinstance(getattr(entry, name), kind) for name, kind in wanted.items())
    if not sound or len(entry.event_id) != 16:
        raise StoreDamaged(
            f"event {entry.revision} of {entry.stream!r} (position {entry.position}) is damaged:"
            " see 'lucent store check'"
        )


def _write_lines(entries: Iterable[Entry], path: Path) -> None:
    with path.open("wb") as file:
        file.writelines(encode_line(entry) + b"\n" for entry in entries)


def _write_parquet(entries: Iterable[Entry], path: Path) -> None:
    with pq.ParquetWriter(
        path,
        SCHEMA,
        compression="zstd",
        use_dictionary=["stream", "type"],
        write_statistics=_COUNTED,
    ) as writer:
        for table in row_groups(entries):
            writer.write_table(table, row_group_size=table.num_rows)
