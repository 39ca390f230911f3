"""Which host holds which key groups of a stage. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from runtime.engine.keygroups import GROUPS, assignment
from runtime.engine.partition import NOWHERE

Groups = tuple[int, ...]


class Routing:
    """Key groups belong to slots, and a slot has a host; a group may be lost meanwhile.

    A slot outlives its host: another host takes it over, and with it the same groups.
    `hosts` gives the host that holds each group, `NOWHERE` for a lost one; `whole` says that
    none is lost.

    >>> routing = Routing()
    >>> _ = routing.switch([0, 1]); {h: len(g) for h, g in routing.settle({0: 7, 1: 8}).items()}
    {7: 123, 8: 133}
    >>> routing.lose(8); len(routing.settle({0: 7})), len(routing.settle({0: 7, 1: 9})[9])
    (0, 133)
    """

    def __init__(self) -> None:
        self.whole = False
        self.slots: tuple[int, ...] = ()
        self.hosts: NDArray[np.int32] = np.full(GROUPS, NOWHERE, np.int32)
        self._owners: NDArray[np.int32] = np.full(GROUPS, NOWHERE, np.int32)

    def count(self, host: int) -> int:
        """How many groups `host` holds."""
        return int((self.hosts == host).sum())

    def holders(self, groups: Collection[int]) -> dict[int, Groups]:
        """Which hosts hold these groups, and which of them each, both sorted."""
        chosen = np.zeros(GROUPS, np.bool_)
        chosen[list(groups)] = True
        return _by_host(self.hosts, chosen)

    def homeless(self, slots: Iterable[int]) -> bool:
        """Whether a lost group belongs to none of these slots."""
        lost = self._owners[self.hosts == NOWHERE]
        return not set(lost.tolist()) <= set(slots)

    def lose(self, host: int) -> None:
        """What `host` held is lost."""
        self.hosts[self.hosts == host] = NOWHERE
        self._look()

    def lose_groups(self, groups: Iterable[int]) -> None:
        """The state of these groups cannot be used any more, wherever they are."""
        self.hosts[list(groups)] = NOWHERE
        self._look()

    def switch(self, slots: Iterable[int]) -> dict[int, Groups]:
        """Spread the groups over `slots`; returns those that hosts have to give up."""
        self.slots = tuple(sorted(slots))
        owners = assignment(self.slots)
        moved = (owners != self._owners) & (self.hosts != NOWHERE)
        given_up = _by_host(self.hosts, moved)
        self.hosts[owners != self._owners] = NOWHERE
        self._owners = owners
        self._look()
        return given_up

    def settle(self, serving: Mapping[int, int], but: Collection[int] = ()) -> dict[int, Groups]:
        """Give lost groups to the hosts of their slots; returns who holds which from now on.

        `serving` maps slots to hosts; a group whose slot has none stays lost, and so do
        those of `but`.
        """
        table = np.full(GROUPS, NOWHERE, np.int32)
        for slot, host in serving.items():
            table[self._owners == slot] = host
        table[list(but)] = NOWHERE
        found = (self.hosts == NOWHERE) & (table != NOWHERE)
        self.hosts[found] = table[found]
        self._look()
        return _by_host(self.hosts, found)

    def _look(self) -> None:
        self.whole = bool((self.hosts != NOWHERE).all())


def shares(hosts: Iterable[int]) -> dict[int, Groups]:
    """All groups, spread over `hosts`."""
    return _by_host(assignment(sorted(hosts)), np.ones(GROUPS, np.bool_))


def _by_host(hosts: NDArray[np.int32], chosen: NDArray[np.bool_]) -> dict[int, Groups]:
    return {
        host: tuple(np.flatnonzero(chosen & (hosts == host)).tolist())
        for host in sorted(set(hosts[chosen].tolist()))
    }
