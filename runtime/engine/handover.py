"""Upgrades: hosts of the next edition take over from those that work. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from runtime.engine.commands import Command, Commit, ReadState, StopHost, Switch
from runtime.engine.messages import UpgradeRequested
from runtime.engine.results import Switched
from runtime.engine.roster import Roster, Work
from runtime.engine.routing import shares
from runtime.engine.stage import Stage
from runtime.engine.statistics import UpgradeStats
from runtime.errors import HostDied

READ_ATTEMPTS = 3
"""So many hosts may die while they read the state that is left to them; then they are given up."""


class Handover:
    """From the request of an upgrade until the hosts of its edition have taken over.

    Meanwhile those that work go on; no position is decided on by both. Before the log says
    that they take over, they have read all the state that is left to them: what they cannot read
    is found while those that left it are still there. `roster` has the hosts that are to take over.
    """

    def __init__(self, request: UpgradeRequested, working: Roster, tickets: Iterator[int]) -> None:
        self.roster = working.successor(request.edition)
        self._tickets = tickets
        self._unread: set[int] | None = None
        self._died = 0
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

        They are there, and all that was decided before the run was last resumed has been
        decided again.
        """
        reached, there = self._request.reached, self.roster.slots and self.roster.serving
        return bool(there) and all(stages[name].has_read(reached[name]) for name in reached)

    @property
    def has_read(self) -> bool:
        """Whether the hosts have read all the state that is left to them."""
        return self._unread is not None and not self._unread

    def read_state(self, stages: Mapping[str, Stage]) -> list[Command]:
        """Have the hosts read what snapshots reflect, each a share of each stage."""
        if self._unread is not None:
            return []
        stored = [name for name, stage in stages.items() if stage.stored]
        commands: list[Command] = []
        for host, groups in shares(self.roster.serving.values()).items():
            for name in stored:
                ticket = next(self._tickets)
                commands.append(ReadState(host, name, ticket, groups))
                self.roster.gave(host, ticket, Work(name))
        self._unread = {one.ticket for one in commands if isinstance(one, ReadState)}
        return commands

    def read(self, ticket: int) -> None:
        """A host has read a share."""
        if self._unread is not None:
            self._unread.discard(ticket)

    def read_anew(self) -> None:
        """What was read is not all that is left, or not all of it was: it is read once more."""
        self._unread = None

    def drop(self, host: int, why: str) -> list[Command]:
        """A host is lost; raises `HostDied` when they die again and again."""
        self.read_anew()
        if self.roster.working_on(host) is not None:
            self._died += 1
        if self._died >= READ_ATTEMPTS:
            raise HostDied(
                f"{self._died} of its hosts died while they read the state that is left to them;"
                f" the last: {why or 'it is not known why'}"
            )
        return [StopHost(host, gently=False), *self.roster.drop(host)]

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

    def stop(self) -> list[Command]:
        """What ends the hosts: they are not to take over."""
        return [StopHost(host, gently=False) for host in self.roster.records]

    def stats(self, state: str, why: str = "") -> UpgradeStats:
        """How the upgrade stands."""
        since = self._since if state == "done" else {}
        return UpgradeStats(self._request.edition, state, why, since)

    def _record(self, stage: str, commit: int) -> Commit:
        upgrades = tuple(
            change.model_copy(update={"since": self._since[name]})
            for name, changes in self._request.changes.items()
            for change in changes
        )
        return Commit(commit, stage, (), notices=(Switched(upgrades),))


class Upgrades:
    """The upgrade of a run that is under way, `over`, and how the last one asked for ended."""

    def __init__(self, tickets: Iterator[int]) -> None:
        self._tickets = tickets
        self.over: Handover | None = None
        self._last: UpgradeStats | None = None
        self._recorded = -1

    @property
    def made(self) -> bool:
        """Whether hosts have ever taken over."""
        return self._recorded >= 0

    def begin(self, request: UpgradeRequested, working: Roster) -> list[Command]:
        """Start the hosts that are to take over, unless an upgrade is under way."""
        if self.over is not None:
            return []
        self.over = Handover(request, working, self._tickets)
        return self.over.start()

    def has(self, host: int) -> bool:
        """Whether it is one of the hosts that are to take over."""
        return self.over is not None and self.over.has(host)

    def tick(self, now: float) -> list[Command]:
        """Time has passed; hosts that read for too long are not waited for."""
        over = self.over
        if over is None:
            return []
        if over.roster.tick(now):
            return self.give_up("refused", "its hosts did not read the state left to them in time")
        return over.roster.fill()

    def due(self, stages: Mapping[str, Stage]) -> bool:
        """Whether nothing more is to be taken in until hosts have taken over."""
        return self.over is not None and self.over.due(stages)

    def read(self, ticket: int) -> None:
        """A host that is to take over has read a share of what is left to it."""
        if self.over is not None:
            self.over.read(ticket)

    def lose(self, host: int, why: str) -> list[Command]:
        """One of the hosts died before it took over; if they die again and again, that is all."""
        assert self.over is not None, "it was one of them"
        try:
            return self.over.drop(host, why)
        except HostDied as error:
            return self.give_up("refused", str(error))

    def give_up(self, state: str, why: str) -> list[Command]:
        """The hosts are not to take over: those that work go on."""
        over, self.over = self.over, None
        if over is None:
            return []
        self._last = over.stats(state, why)
        return over.stop()

    def take_over(self, stages: Mapping[str, Stage], working: Roster, commit: int) -> list[Command]:
        """Let the hosts take over, as `commit` records."""
        over = self.over
        assert over is not None, "it is due"
        commands = over.take_over(stages, working, commit)
        self._recorded, self._last, self.over = commit, over.stats("done"), None
        return commands

    def stats(self, stages: Mapping[str, Stage], durable: int) -> UpgradeStats | None:
        """How the last upgrade stands; commits up to `durable` are. From any thread."""
        over, last = self.over, self._last
        if over is not None:
            return over.stats("switching" if over.due(stages) else "preparing")
        if last is not None and durable < self._recorded:
            return replace(last, state="switching")
        return last
