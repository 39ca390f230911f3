"""Decisions as lines that fit the terminal: ids in full, the least important columns left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from rich.text import Text

from runtime.cli.screen import output, plain, shortened
from runtime.events import time_text

_GAP = 2
_MINUTE = len("2025-07-22 21:38")
_PAGE = 1_000
"""Rows that are measured before the first line is printed."""


def _second(time: int) -> str:
    return time_text(time)[:19].replace("T", " ")


def _to_the_minute(text: str, width: int) -> str:
    return text if len(text) <= width else text[:_MINUTE]


def _end_left_out(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its text for a record, and to how few characters `cut` may bring it.

    The more important ones, of lower `rank`, are kept where there is no room for all.
    """

    title: str
    rank: int
    text: Callable[[Mapping[str, Any]], str]
    least: int = 1_000
    cut: Callable[[str, int], str] = shortened
    right: bool = False

    def cell(self, text: str, width: int) -> str:
        """The text at this width."""
        shown = self.cut(text, width) if self.least < len(text) else text
        return shown.rjust(width) if self.right else shown.ljust(width)


COLUMNS = (
    Column(
        "time",
        1,
        lambda row: time_text(row["time"])[:19].replace("T", " "),
        _MINUTE,
        _to_the_minute,
    ),
    Column("agent", 4, lambda row: row["agent"], 10),
    Column("aggregate", 3, lambda row: row["aggregate"], 9),
    Column("action", 2, lambda row: plain(row["action"]), 12),
    Column("yield %", 5, lambda row: plain(row["yield"]), right=True),
    Column("conf.", 6, lambda row: plain(row["confidence"]), right=True),
    Column("event id", 0, lambda row: row["event_id"]),
    Column("reason", 7, lambda row: plain(row["reason"]), 16, _end_left_out),
)


def print_listing(records: Iterable[Mapping[str, Any]], room: int | None) -> int:
    """Print a line a record in `room` characters (None: no limit); returns how many.

    The widths are those of the first page, so that a listing of any length begins at once.
    """
    texts = ([column.text(record) for column in COLUMNS] for record in records)
    first = list(islice(texts, _PAGE))
    if not first:
        return 0
    natural = [max(map(len, column)) for column in zip(*first, strict=True)]
    widths = fitted([max(n, len(c.title)) for n, c in zip(natural, COLUMNS, strict=True)], room)
    _print_line([column.title for column in COLUMNS], widths, "bold")
    count = 0
    for row in chain(first, texts):
        _print_line(row, widths, "")
        count += 1
    return count


def fitted(natural: Sequence[int], room: int | None) -> dict[int, int]:
    """The width of each column there is room for, by number; the first by rank always is."""
    if room is None:
        return dict(enumerate(natural))
    by_rank = sorted(range(len(COLUMNS)), key=lambda number: COLUMNS[number].rank)
    widths: dict[int, int] = {}
    left = room + _GAP
    for number in by_rank:
        least = min(natural[number], COLUMNS[number].least)
        if widths and least + _GAP > left:
            break
        widths[number] = least
        left -= least + _GAP
    for number in sorted(widths, key=lambda number: natural[number] - widths[number]):
        more = min(natural[number] - widths[number], max(0, left))
        widths[number] += more
        left -= more
    return dict(sorted(widths.items()))


def _print_line(row: Sequence[str], widths: Mapping[int, int], style: str) -> None:
    cells = [COLUMNS[number].cell(row[number], width) for number, width in widths.items()]
    output.print(Text((" " * _GAP).join(cells).rstrip(), style), soft_wrap=True)
