"""An upgrade under way: hosts of the next edition take over from those that work. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.engine.commands import Command, Commit, StopHost, Switch
from runtime.engine.messages import UpgradeRequested
from runtime.engine.results import Switched
from runtime.engine.roster import Roster
from runtime.engine.stage import Stage
from runtime.engine.statistics import UpgradeStats
from runtime.errors import LucentError


class Handover:
    """From the request of an upgrade until the hosts of its edition have taken over.

    Meanwhile those that work go on; no position is decided on by both. `roster` has the
    hosts that are to take over.
    """

    def __init__(self, request: UpgradeRequested, working: Roster) -> None:
        self.roster = working.successor(request.edition)
        self._since: Mapping[str, int] = {}
        self._request = request

    def start(self) -> list[Command]:
        """Start the hosts."""
        return self.roster.fill()

    def has(self, host: int) -> bool:
        """Whether it is one of the hosts that are to take over."""
        return host in self.roster.records

    def due(self, stages: Mapping[str, Stage]) -> bool:
        """Whether nothing more is to be taken in until they have taken over.

        They are ready, and all that was decided before the run was last resumed has been
        decided again.
        """
        reached = self._request.reached
        return bool(self.roster.slots) and all(
            stages[name].has_read(reached[name]) for name in reached
        )

    def take_over(self, stages: Mapping[str, Stage], working: Roster, commit: int) -> list[Command]:
        """What records, as `commit`, where they take over, and ends the hosts that work.

        What they decide is committed behind it. Snapshots reflect all that was taken in; each
        stage has its key groups handed out anew. Their spares are started.
        """
        self._since = {name: stages[name].position for name in self._request.changes}
        for stage in stages.values():
            stage.hand_over()
        switch = Switch(self._request.edition, self._since, self._request.columns)
        stops = map(StopHost, working.records)
        record = self._record(next(iter(stages)), commit)
        return [record, switch, *stops, *self.roster.follow(working)]

    def lose(self, host: int) -> list[Command]:
        """One of the hosts died before it took over; raises `HostDied` as a roster does."""
        return [StopHost(host, gently=False), *self.roster.drop(host)]

    def stop(self) -> list[Command]:
        """What ends the hosts: they are not to take over."""
        return [StopHost(host, gently=False) for host in self.roster.records]

    def stats(self, state: str, why: LucentError | None = None) -> UpgradeStats:
        """How the upgrade stands."""
        told = "" if why is None else str(why)
        since = self._since if state == "done" else {}
        return UpgradeStats(self._request.edition, state, told, since)

    def _record(self, stage: str, commit: int) -> Commit:
        upgrades = tuple(
            change.model_copy(update={"since": self._since[name]})
            for name, changes in self._request.changes.items()
            for change in changes
        )
        return Commit(commit, stage, (), notices=(Switched(upgrades),))
