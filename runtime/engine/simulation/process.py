"""A simulated process: a supervisor, its hosts, its feeds, its committer."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import pyarrow as pa

from runtime.engine.commands import (
    Advance,
    Command,
    Commit,
    Finish,
    HostsCommand,
    Pull,
    ReadHeld,
    StartHost,
    StopHost,
    Switch,
)
from runtime.engine.cursor import read_stage_cursor
from runtime.engine.held import held_batches, in_quarantine
from runtime.engine.intake import recorded_intake
from runtime.engine.ledger import Ledger
from runtime.engine.messages import (
    BatchArrived,
    Committed,
    HeldRead,
    HostAnswered,
    HostLost,
    HostRefused,
    Message,
    ReleaseRequested,
    SnapshotTaken,
    StateRead,
    Tick,
    UpgradeRequested,
    UpgradeWithdrawn,
)
from runtime.engine.notices import NoticeBook
from runtime.engine.pen import Author
from runtime.engine.simulation.feed import Dropping, SimulatedDecisions, SimulatedTape
from runtime.engine.simulation.host import SimulatedHost, switched
from runtime.engine.simulation.laws import RUN
from runtime.engine.simulation.scenario import Scenario
from runtime.engine.simulation.store import SimulatedStore
from runtime.engine.simulation.strategy import STAMPS, Died, Editions
from runtime.engine.spec import StageSpec
from runtime.engine.supervisor import Supervisor
from runtime.errors import ConfigError, StoreFull
from runtime.events import StrategyUpgraded
from runtime.store import Write

AUTHOR = Author(RUN, "run-id", "did:key:simulated", lambda message: bytes(64), STAMPS)
"""Who records what is in quarantine; nothing is really signed here."""

T = TypeVar("T")

AHEAD = 16
"""So many positions at a time are announced as taken in."""

RETRIES = 6
"""So often a failed write is tried again before the process gives up."""


ANSWERS = (HostAnswered, SnapshotTaken, StateRead)
"""What hosts answer to what they are given."""


class Watch(Protocol):
    """Looks on: at each write that was stored, and at each batch that was read."""

    def wrote(self, write: Write) -> None:
        """`write` is durable."""

    def read(self, batch: BatchArrived) -> None:
        """`batch` was asked for and read."""


class Process:
    """One life of a run: begins where the store says, ends with `finished` or an error.

    Each call of `step` does one thing that is due, chosen by `rng`.
    """

    def __init__(
        self,
        plan: Scenario,
        rows: pa.RecordBatch,
        store: SimulatedStore,
        rng: random.Random,
        watch: Watch,
    ) -> None:
        self._store, self._rng, self._watch = store, rng, watch
        self._poison, self._deadly = plan.poison, plan.deadly
        self.fence = store.claim(RUN)
        self._ledger = Ledger(RUN, store, self.fence, NoticeBook.of(AUTHOR, store, AHEAD))
        names = [f"s{number}" for number in range(plan.stages)]
        self.supervisor = Supervisor(
            [self._spec(name, tuple(names[:n][-1:])) for n, name in enumerate(names)],
            plan.pooling,
            plan.limits,
            snapshot_events=plan.snapshot_events,
            scaling=plan.scaling,
        )
        cursors = {name: self._feed_cursor(name) for name in names}
        record = recorded_intake(store, RUN, "s0", since=int(cursors["s0"] or 0))
        self._feeds: dict[str, SimulatedTape | SimulatedDecisions] = {
            "s0": SimulatedTape("s0", rows, cursors["s0"], Dropping(plan.dropping, record, rng))
        }
        if plan.stages > 1:
            self._feeds["s1"] = SimulatedDecisions("s1", "s0", store, cursors["s1"])
        self.hosts: dict[int, SimulatedHost] = {}
        self._busy: list[SimulatedHost] = []
        self._editions: dict[int, Editions] = {0: store.editions(RUN)}
        self._blind, self._edition = set[int](), 0
        self.mailbox: list[Message] = []
        self._pulls: list[Pull] = []
        self._commits: deque[Commit] = deque()
        self._writing: tuple[int, Write] | None = None
        self._tries, self._now = 0, 0.0
        self.stalled = self.slow = 0
        self.doomed: type[Command] | None = None
        self.finished: Finish | None = None
        self._carry_out(self.supervisor.start(-1))

    def _spec(self, name: str, upstream: tuple[str, ...]) -> StageSpec:
        cursor = self._store.checkpoints.get(f"{RUN}/{name}")
        position = 0 if cursor is None else read_stage_cursor(cursor)[0]
        snapshot = self._store.snapshots.get(f"{RUN}/{name}")
        parked = in_quarantine(self._store, RUN).get(name, ())
        return StageSpec(
            name, upstream, position, parked, snapshot.cursor if snapshot else "", (name,)
        )

    def _feed_cursor(self, name: str) -> str | None:
        snapshot = self._store.snapshots.get(f"{RUN}/{name}")
        return None if snapshot is None else read_stage_cursor(snapshot.cursor)[1]

    def step(self) -> None:
        """Do one thing that is due; time passes when nothing is, and now and then."""
        due: list[Callable[[], None]] = []
        self._busy = [host for host in self.hosts.values() if host.inbox]
        if self._busy:
            due.append(self._host_step)
        if self.mailbox:
            due.append(self._deliver)
        if self._pulls and not self.stalled:
            due.append(self._pull)
        if (self._commits or self._writing) and not self.slow:
            due.append(self._commit)
        if self.stalled or self.slow:
            self.stalled, self.slow = max(0, self.stalled - 1), max(0, self.slow - 1)
        if not due or self._rng.random() < 0.02:
            self.tick(self._pick((0.1, 1.0, 5.0)))
        else:
            self._pick(due)()

    def _pick(self, choices: Sequence[T]) -> T:
        """One of them at random; several times as fast as `random.choice`."""
        return choices[int(self._rng.random() * len(choices))]

    def tell(self, message: Message) -> None:
        """Tell the supervisor something and carry out what it orders."""
        self._carry_out(self.supervisor.handle(message))

    def tick(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self.tell(Tick(self._now))

    def kill(self, number: int) -> None:
        """SIGKILL a host: what it had not answered is gone, what it had may be."""
        del self.hosts[number]
        self.mailbox = [
            message
            for message in self.mailbox
            if getattr(message, "host", None) != number or self._rng.random() < 0.5
        ]
        self.mailbox.append(HostLost(number))

    def upgrade(self, size: int, *, blind: bool = False) -> None:
        """Ask for another edition of the strategies of some stages, if none is under way.

        `blind`: it cannot read the state that is left to it.
        """
        stands = self.supervisor.upgrade
        asked = any(isinstance(message, UpgradeRequested) for message in self.mailbox)
        if asked or (stands is not None and stands.state in ("preparing", "switching")):
            return
        edition = len(self._editions)
        self._editions[edition] = self._store.editions(RUN)
        changes = {name: (_change(name, edition),) for name in [*self._feeds][: 1 + size % 2]}
        self._blind |= {edition} if blind else set()
        reached = {name: self._store.reached(name) for name in changes}
        self.mailbox.append(UpgradeRequested(edition, changes, reached, {}))

    def withdraw(self) -> None:
        """Ask for the upgrade under way to be given up."""
        self.mailbox.append(UpgradeWithdrawn())

    def refuse(self) -> None:
        """A host that is being started cannot load what it is to decide with."""
        number = self._started_next()
        if number is not None:
            del self.hosts[number]
            self.mailbox.append(HostRefused(number, ConfigError("no such strategy")))

    def hang(self) -> None:
        """A host that is being started waits for a place, and none ever comes."""
        number = self._started_next()
        if number is not None:
            self.hosts[number].inbox.clear()

    def _started_next(self) -> int | None:
        """One of the hosts that are being started for an upgrade, if there are any."""
        starting = [
            host.number
            for host in self.hosts.values()
            if any(isinstance(one, StartHost) and one.edition > self._edition for one in host.inbox)
        ]
        return self._pick(starting) if starting else None

    def release(self) -> None:
        """Ask for the release of all that is in quarantine."""
        for parked in self.supervisor.parked().values():
            self.mailbox += [ReleaseRequested(who) for who in parked]

    def lose_answer(self) -> None:
        """An answer of a host gets lost, though the host lives."""
        answers = [m for m in self.mailbox if isinstance(m, ANSWERS)]
        if answers:
            self.mailbox.remove(self._rng.choice(answers))

    def repeat_answer(self) -> None:
        """An answer of a host comes twice."""
        answers = [m for m in self.mailbox if isinstance(m, ANSWERS)]
        if answers:
            self.mailbox.append(self._rng.choice(answers))

    def _host_step(self) -> None:
        host = self._pick(self._busy)
        if self.doomed is not None and isinstance(host.inbox[0], self.doomed):
            self.doomed = None
            self.kill(host.number)
            return
        if isinstance(host.inbox[0], StopHost):
            del self.hosts[host.number]
            return
        try:
            message = host.step()
        except Died:
            self.kill(host.number)
            return
        if message is not None:
            self.mailbox.append(message)

    def _deliver(self) -> None:
        self.tell(self.mailbox.pop(int(self._rng.random() * len(self.mailbox))))

    def _pull(self) -> None:
        pull = self._pulls.pop(self._rng.randrange(len(self._pulls)))
        assert pull.limit >= 1
        limit = self._rng.randint(1, pull.limit)
        read = self._feeds[pull.stage].read(limit)
        if isinstance(read, BatchArrived):
            self._watch.read(read)
        self.mailbox.append(read)

    def _commit(self) -> None:
        if self._writing is None:
            count = self._rng.randint(1, len(self._commits))
            taken = [self._commits.popleft() for _ in range(count)]
            self._writing = taken[-1].number, self._ledger.write(taken)
        number, write = self._writing
        try:
            self._store.write(write)
        except StoreFull:
            self._tries += 1
            if self._tries > RETRIES:
                raise
            return
        self._watch.wrote(write)
        self._writing, self._tries = None, 0
        self.mailbox.append(Committed(number, self._store.size))

    def _start(self, command: StartHost) -> None:
        edition = command.edition
        host = SimulatedHost(
            command.host,
            RUN,
            self._store,
            self._poison,
            self._deadly,
            self._editions[edition],
            edition,
            f"{self.fence.epoch}.{edition}",
            edition in self._blind,
        )
        host.inbox.append(command)
        self.hosts[command.host] = host

    def _switch(self, command: Switch) -> None:
        before = self._editions[command.edition]
        self._editions[command.edition] = switched(before, command.since)
        self._edition = command.edition
        for host in self.hosts.values():
            if host.edition == command.edition:
                host.inbox.append(command)

    def _carry_out(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Pull():
                    self._pulls.append(command)
                case Advance():
                    self._feeds[command.stage].advance(command)
                case Commit():
                    self._commits.append(command)
                case Finish():
                    self.finished = command
                case ReadHeld():
                    held = held_batches(self._store, RUN, command)
                    self.mailbox.append(HeldRead(command.stage, command.who, held))
                case _:
                    self._to_hosts(command)

    def _to_hosts(self, command: HostsCommand) -> None:
        match command:
            case StartHost():
                self._start(command)
            case Switch():
                self._switch(command)
            case StopHost(gently=False):
                self.hosts.pop(command.host, None)
            case _ if command.host in self.hosts:
                self.hosts[command.host].inbox.append(command)


def _change(stage: str, edition: int) -> StrategyUpgraded:
    return StrategyUpgraded(
        run_id=AUTHOR.run_id,
        agent=stage,
        since=0,
        strategy="simulated",
        version=str(edition + 1),
        parameters={},
        parametersDigest="",
    )
