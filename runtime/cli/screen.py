"""Where the command writes: results to standard output, the rest to standard error."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

output = Console(highlight=False, emoji=False)
errors = Console(stderr=True, highlight=False, emoji=False)


def table(title: str, *columns: str, right: tuple[str, ...] = ()) -> Table:
    """An empty table; columns named in `right` are aligned to the right."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
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
    return f"{value:.6g}" if isinstance(value, float) else str(value)
