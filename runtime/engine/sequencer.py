"""The order of results per key group."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Sequencer(Generic[T]):
    """Releases results group by group, in the order in which they were expected.

    A group waits only for its own earlier results, never for another group. What was
    released already, or was never expected, is dropped: a result counts once.

    >>> sequencer = Sequencer()
    >>> sequencer.expect(0, [7]); sequencer.expect(1, [7, 9])
    >>> sequencer.arrive(1, 7, "b"), sequencer.arrive(1, 9, "c"), sequencer.arrive(0, 7, "a")
    ([], [(1, 'c')], [(0, 'a'), (1, 'b')])
    """

    _expected: defaultdict[int, deque[int]] = field(default_factory=lambda: defaultdict(deque))
    _arrived: dict[tuple[int, int], T] = field(default_factory=dict)

    def expect(self, seq: int, groups: Iterable[int]) -> None:
        """A result of batch `seq` will come for each of `groups`; `seq` only grows."""
        for group in groups:
            self._expected[group].append(seq)

    def passed(self, seq: int, groups: Collection[int]) -> bool:
        """Whether what came of batch `seq` for all of `groups` was due, and nothing waits for it.

        It counts as released then. Else nothing has changed, and each is to `arrive`.

        >>> sequencer = Sequencer()
        >>> sequencer.expect(0, [7, 9]); sequencer.expect(1, [7])
        >>> sequencer.passed(1, {7}), sequencer.passed(0, {7, 9}), sequencer.passed(1, {7})
        (False, True, True)
        """
        if self._arrived:
            return False
        queues = [self._expected[group] for group in groups]
        if {queue[0] if queue else -1 for queue in queues} - {seq}:
            return False
        for queue in queues:
            queue.popleft()
        return True

    def arrive(self, seq: int, group: int, result: T) -> list[tuple[int, T]]:
        """Take a result; returns what may be released now, as (seq, result), in order."""
        waiting = self._expected.get(group)
        if not waiting or seq < waiting[0]:
            return []
        if seq > waiting[0]:
            self._arrived.setdefault((seq, group), result)
            return []
        waiting.popleft()
        released = [(seq, self._arrived.pop((seq, group), result) if self._arrived else result)]
        while self._arrived and waiting and (waiting[0], group) in self._arrived:
            first = waiting.popleft()
            released.append((first, self._arrived.pop((first, group))))
        return released

    def __len__(self) -> int:
        return sum(map(len, self._expected.values()))
