"""Where the command writes: results to standard output, the rest to standard error."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


class OutputClosed(Exception):
    """Whoever reads standard output wants no more of it."""


class _Screen(Console):
    def on_broken_pipe(self) -> None:
        raise OutputClosed


output = _Screen(markup=False, highlight=False, emoji=False)
errors = _Screen(markup=False, highlight=False, emoji=False, stderr=True)


def say(*parts: str | tuple[str, str]) -> None:
    """Print a line to standard output, however long; a part may be (text, style)."""
    output.print(Text.assemble(*parts), soft_wrap=True)


def write_line(text: str) -> None:
    """Write a line to standard output as it is: for data, which other programs read."""
    try:
        sys.stdout.write(text + "\n")
    except BrokenPipeError:
        raise OutputClosed from None


def complain(kind: str, message: str) -> None:
    """Print a complaint to standard error: one line, whatever the message holds."""
    errors.print(Text.assemble((kind, "red"), ": ", printable(message)), soft_wrap=True)


def remark(text: str, style: str = "") -> None:
    """Print a line to standard error, whatever the text holds; nothing if nobody can read it."""
    with suppress(OSError, OutputClosed):
        errors.print(Text(printable(text), style), soft_wrap=True)


def room() -> int | None:
    """The width that tables must fit in; None for no limit (a pipe or a file)."""
    return output.width if output.is_terminal or "COLUMNS" in os.environ else None


def table(title: str, *columns: str, right: tuple[str, ...] = (), fold: str = "") -> Table:
    """An empty table. Columns named in `right` are aligned to the right; only `fold` may wrap.

    The title stands over a blank line, so that tables can follow each other.
    """
    made = Table(
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
    )
    for column in columns:
        made.add_column(
            column,
            justify="right" if column in right else "left",
            no_wrap=column != fold,
            overflow="fold" if column == fold else "ellipsis",
        )
    return made


def plain(value: Any) -> str:
    """A value as people read it: thousands apart, at most six significant digits.

    >>> plain(1234567), plain(0.0358123456), plain(None)
    ('1,234,567', '0.0358123', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else printable(str(value))


def printable(text: str) -> str:
    r"""The text with line ends and control characters escaped, safe to show on a terminal.

    >>> printable("a\nb")
    'a\\nb'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, width: int) -> str:
    """The text cut in the middle to `width` characters; begin and end tell it apart.

    >>> shortened("avalanche:0x00000000efe302be", 16)
    'avalanche:0…02be'
    """
    if len(text) <= width:
        return text
    end = max(0, min(4, (width - 1) // 2))
    return text[: max(0, width - 1 - end)] + "…" + text[len(text) - end :]
