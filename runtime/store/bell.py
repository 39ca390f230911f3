"""How a writer wakes the subscriptions of its own process."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition


class Bell:
    """Counts the commits of a store object, and tells who waits for the next one."""

    def __init__(self) -> None:
        self._condition = Condition()
        self._rings = 0
        self._silenced = False
        self._listeners: list[Callable[[], None]] = []

    @property
    def rings(self) -> int:
        """How many times it has rung."""
        return self._rings

    @property
    def silenced(self) -> bool:
        """Whether it will never ring again."""
        return self._silenced

    def ring(self) -> None:
        """Wake all who wait."""
        with self._condition:
            self._rings += 1
            self._condition.notify_all()
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` each time it rings; answers how to end that."""
        with self._condition:
            self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def silence(self) -> None:
        """Wake all who wait, now and from now on."""
        with self._condition:
            self._silenced = True
            self._condition.notify_all()

    def wait(self, rings: int, seconds: float) -> None:
        """Wait until it has rung more than `rings` times, for `seconds` at the most."""
        with self._condition:
            self._condition.wait_for(lambda: self._silenced or self._rings > rings, seconds)
