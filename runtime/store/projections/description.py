"""What a query asks for, as its own code describes it. Pure."""

from __future__ import annotations

import msgspec

from runtime.errors import ProjectionInvalid
from runtime.store.port import Filter

LEAST_LAG = 50
"""Milliseconds that events to be put in order are at least waited for."""


class Description(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Which events a query handles, how it divides its state, and what it puts out.

    `every`: events of all types, else those in `events`. `lag` is in milliseconds. `shared`:
    handlers get the state that all partitions share beside that of their own.
    """

    all: bool
    streams: tuple[str, ...]
    categories: tuple[str, ...]
    events: tuple[str, ...]
    every: bool
    by_stream: bool
    shared: bool
    output: bool
    deletions: bool
    links: bool
    reorder: bool
    lag: float
    result_stream: str
    result_pattern: str

    @property
    def sources(self) -> frozenset[str]:
        """The streams that it reads; none if it reads the whole log."""
        return frozenset((*self.streams, *(f"$ce-{name}" for name in self.categories)))

    @property
    def category(self) -> str:
        """The category that it reads, if it reads one."""
        return self.categories[0] if self.categories else ""

    def window(self) -> Filter:
        """Lets pass all that may concern it, and more."""
        if not self.all:
            return Filter(streams=sorted(self.sources))
        narrow = not self.every and not self.deletions
        return Filter(types=self.events) if narrow else Filter()


def check(description: Description) -> None:
    """Raise `ProjectionInvalid` if the parts of a query do not go together."""
    many = bool(description.streams), bool(description.categories), description.all
    lists = len(description.streams)
    rules = (
        (any(many), "it reads nothing: begin with fromAll, fromStream, fromCategory"),
        (sum(many) <= 1, "it reads from more than one kind of source: choose one"),
        (len(description.categories) <= 1, "it reads several categories: give them at once"),
        (not (description.by_stream and lists), "foreachStream goes with fromAll or fromCategory"),
        (
            not description.deletions or description.by_stream,
            "$deleted is handled only after foreachStream",
        ),
        (
            not (description.deletions and description.shared),
            "$deleted cannot be handled beside a shared state",
        ),
        (not description.reorder or lists > 1, "reorderEvents goes with fromStreams only"),
        (
            not description.reorder or description.lag >= LEAST_LAG,
            f"reorderEvents needs a processingLag of {LEAST_LAG} or more",
        ),
    )
    for holds, told in rules:
        if not holds:
            raise ProjectionInvalid(f"the query cannot be run: {told}")
