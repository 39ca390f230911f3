"""The log of a server, read page by page, and followed across lost connections."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from runtime.events import RecordedEvent
from runtime.store.kurrent.client import PositionInvalid
from runtime.store.kurrent.filtering import name_pattern, passes
from runtime.store.kurrent.line import Line
from runtime.store.kurrent.pump import Pump
from runtime.store.pattern import check_pattern
from runtime.store.port import CaughtUp, Filter

_PAGE = 2048
_BEYOND = 2**63
"""No position of an event is as large."""


class Log:
    """Reads a server's log."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def forwards(self, start: int | None, end: int, only: Filter) -> Iterator[RecordedEvent]:
        """The events from position `start` to `end`, both included."""
        _check(only)
        at = start
        while at is None or at <= end:
            page = self._page(at, only)
            for event in page:
                if event.position > end:
                    return
                if (start is None or event.position >= start) and passes(only, event):
                    yield event
            if len(page) < _PAGE:
                return
            at, start = page[-1].position, page[-1].position + 1

    def backwards(self, start: int | None, only: Filter) -> Iterator[RecordedEvent]:
        """The events before position `start`, the last one first."""
        _check(only)
        start = None if start is not None and start >= _BEYOND else start
        names = name_pattern(tuple(only.streams))
        size = 1
        while start is None or start >= 0:
            page = self._backwards_page(start, size, names)
            yield from (event for event in page if passes(only, event))
            if len(page) < size:
                return
            start, size = page[-1].position, _PAGE

    def follow(
        self, after: int | None, only: Filter
    ) -> Generator[RecordedEvent | CaughtUp, None, None]:
        """Events behind `after`, and `CaughtUp` each time there is nothing more for now."""
        _check(only)
        names = name_pattern(tuple(only.streams))
        reached = -1 if after is None else max(after, -1)
        told: int | None = None
        with Pump(self._line, reached, names) as pump:
            for item in pump:
                if isinstance(item, RecordedEvent):
                    reached = item.position
                    if passes(only, item):
                        told = None
                        yield item
                    continue
                reached = max(reached, item.position)
                if item.live and told != reached:
                    told = reached
                    yield CaughtUp(reached)

    def _page(self, at: int | None, only: Filter) -> list[RecordedEvent]:
        """Events from `at` on; or from the event before it, where none begins there."""
        names = name_pattern(tuple(only.streams))
        try:
            return self._line.call(
                lambda client: client.log_page(at, _PAGE, backwards=False, names=names)
            )
        except PositionInvalid:
            assert at is not None
            return self._line.call(
                lambda client: client.log_page(at - 1, _PAGE, backwards=False, names=names)
            )

    def _backwards_page(self, start: int | None, size: int, names: str) -> list[RecordedEvent]:
        return self._line.call(
            lambda client: client.log_page(start, size, backwards=True, names=names)
        )


def _check(only: Filter) -> None:
    for pattern in (only.stream_pattern, only.type_pattern):
        if pattern:
            check_pattern(pattern)
