"""What a strategy is handed: the next events of one aggregate, as columns or one by one."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import repeat
from keyword import iskeyword
from typing import Any

import numpy as np
from numpy.typing import NDArray

Event = Any
"""One event: a named tuple of `time`, `known_at` (ns), `type` and the strategy's `inputs`.

Numbers are Python floats (NaN where this type of event has no such field), text is str. An
input that is a Python keyword has an underscore behind it: `event.yield_`.
"""


@dataclass(frozen=True, slots=True)
class Text:
    """A column of text: `values[codes[i]]` is row i; code -1 stands for no text ("")."""

    codes: NDArray[np.int32]
    values: Sequence[str]

    def tolist(self) -> list[str]:
        """The rows as Python strings."""
        values = self.values
        return [values[code] if code >= 0 else "" for code in self.codes.tolist()]

    def cut(self, rows: slice) -> Text:
        """The rows of a slice."""
        return Text(self.codes[rows], self.values)


@lru_cache(maxsize=256)
def _event_maker(inputs: tuple[str, ...]) -> Callable[[tuple[Any, ...]], Event]:
    names = [f"{name}_" if iskeyword(name) else name for name in inputs]
    kind = namedtuple("Event", ("time", "known_at", "type", *names))  # type: ignore[misc]
    return partial(tuple.__new__, kind)


def _input_name(field: str) -> str:
    """The input behind a field of an event."""
    plain = field.removesuffix("_")
    return plain if iskeyword(plain) else field


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive events of one aggregate, oldest first, as columns of equal length.

    `time` and `known_at` are int64 nanoseconds, non-decreasing in `known_at`; `columns`
    holds float64, bool or `Text` by field name. Where a window begins and ends means
    nothing: a strategy decides the same however its input is cut (the chunk law). Arrays are
    read-only, as other agents read the same.
    """

    aggregate: str
    time: NDArray[np.int64]
    known_at: NDArray[np.int64]
    type: str | Text
    columns: Mapping[str, NDArray[Any] | Text]

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column as a NumPy array: float64, bool, or object (str) for text."""
        column = self.columns[name]
        if isinstance(column, Text):
            return np.array(column.tolist(), dtype=object)
        return column

    @property
    def types(self) -> list[str]:
        """The event type of each row."""
        return [self.type] * len(self) if isinstance(self.type, str) else self.type.tolist()

    def events(self, inputs: tuple[str, ...]) -> Iterator[Event]:
        """The rows one by one, with the fields named in `inputs`."""
        times = self.time.tolist()
        known = times if self.known_at is self.time else self.known_at.tolist()
        types: Iterable[str] = (
            repeat(self.type) if isinstance(self.type, str) else self.type.tolist()
        )
        columns = [self.columns[name].tolist() for name in inputs]
        return map(_event_maker(inputs), zip(times, known, types, *columns, strict=False))

    @classmethod
    def of(cls, aggregate: str, event: Event) -> Window:
        """A window of one event."""
        time = np.array([event.time], np.int64)
        columns = {
            _input_name(name): Text(np.zeros(1, np.int32), (value,))
            if isinstance(value, str)
            else np.array([value])
            for name, value in zip(event._fields[3:], event[3:], strict=True)
        }
        known = np.array([event.known_at], np.int64)
        for array in (time, known, *columns.values()):
            if not isinstance(array, Text):
                array.flags.writeable = False
        return cls(aggregate, time, known, event.type, columns)


def event(time: int, known_at: int | None = None, type: str = "", **fields: Any) -> Event:  # noqa: A002
    """An event made by hand, for tests of a strategy.

    >>> event(0, rate=0.03).rate
    0.03
    """
    known = time if known_at is None else known_at
    return _event_maker(tuple(fields))((time, known, type, *fields.values()))
