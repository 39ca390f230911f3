"""The supervisor: a pure state machine that coordinates feeds, hosts and the log.

It is told messages and returns commands; it imports no Ray, no thread, no clock and no
random number. Whoever drives it carries the commands out, in their order, and tells it
what came of them. Laws it keeps:

- the results of a key group are committed in the order in which its events were sent;
- a checkpoint is committed with, or after, every event it covers;
- credit returns, and later stages are told, only when a commit is durable;
- the state of a key group on a host is that of the last durable snapshot and of every batch
  since, in order, whichever hosts held it before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count

from runtime.engine.autoscaler import Autoscaler, ScalingPolicy
from runtime.engine.commands import (
    Advance,
    Command,
    Commit,
    Finish,
    Pull,
    Send,
    StopHost,
    TakeSnapshot,
)
from runtime.engine.credit import CreditLimits
from runtime.engine.handover import Upgrades
from runtime.engine.messages import (
    BatchArrived,
    Committed,
    DrainRequested,
    FeedEnded,
    FeedIdle,
    FeedReady,
    HeldRead,
    HostAnswered,
    HostLost,
    HostReady,
    HostRefused,
    Message,
    ReleaseRequested,
    ResumeRequested,
    ScaleTo,
    SnapshotTaken,
    StateRead,
    StopRequested,
    Tick,
    UpgradeRequested,
    UpgradeWithdrawn,
)
from runtime.engine.results import Notice, Sealed, Who
from runtime.engine.roster import Pooling, Roster, Work
from runtime.engine.spec import StageSpec
from runtime.engine.stage import Stage
from runtime.engine.statistics import HostStats, StageStats, UpgradeStats
from runtime.errors import LucentError

NEVER = 2**62
"""The watermark of a stage that has decided on all there will ever be."""


class Supervisor:
    """Coordinates the stages of a run.

    `pooling` says how many hosts there are to be. A snapshot of a stage is taken every
    `snapshot_events` events, before key groups move, and at the end. With `scaling`, it
    follows the load how many hosts there are to be.
    """

    def __init__(
        self,
        stages: Sequence[StageSpec],
        pooling: Pooling,
        limits: CreditLimits,
        *,
        snapshot_events: int = 100_000,
        scaling: ScalingPolicy | None = None,
    ) -> None:
        tickets = count()
        self._roster = Roster(pooling)
        self._upgrades = Upgrades(tickets)
        self._autoscaler = None if scaling is None else Autoscaler(scaling)
        self._stages = {s.name: Stage(s, limits, snapshot_events, tickets) for s in stages}
        self._watermarks = dict.fromkeys(self._stages, -1)
        self._draining = self._stopping = self._finished = False
        self._next_commit = 0
        self._durable = -1
        self._log = -1

    def start(self, log: int, now: float = 0.0) -> list[Command]:
        """The first commands, at `now`; `log` is the last position of the log before the run."""
        self._log = log
        self._roster.tick(now)
        return self._hand_out(self._roster.fill() + self._advance())

    def handle(self, message: Message) -> list[Command]:
        """Take a message; returns what is to be done now, in this order.

        Raises `HostDied` when hosts die again and again while they are started, or what one was
        refused for.
        """
        match message:
            case BatchArrived():
                commands = self._batch_arrived(message)
            case HostAnswered():
                commands = self._host_answered(message)
                if not (commands or message.raised or message.piece or self._roster.leaving()):
                    return self._pull()  # nothing else has become due
            case Committed():
                commands = self._committed(message)
            case SnapshotTaken():
                commands = self._snapshot_taken(message)
            case FeedIdle() | FeedEnded():
                commands = self._feed_paused(message)
            case _:
                commands = self._hosts_changed(message)
        return self._hand_out(commands)

    @property
    def phase(self) -> str:
        """`waiting for hosts`, `running`, `draining`, `drained` or `stopping`."""
        if self._stopping:
            return "stopping"
        if self._draining:
            quiet = all(stage.quiet for stage in self._stages.values())
            return "drained" if quiet else "draining"
        return "running" if self.staffed else "waiting for hosts"

    def parked(self) -> Mapping[str, Sequence[Who]]:
        """The aggregates in quarantine, by stage."""
        return {name: tuple(s.quarantine.entries) for name, s in self._stages.items()}

    @property
    def upgrade(self) -> UpgradeStats | None:
        """How the last upgrade asked for stands, None if there was none. From any thread."""
        return self._upgrades.stats(self._stages, self._durable)

    @property
    def upgraded(self) -> bool:
        """Whether it was ever upgraded. From any thread."""
        return self._upgrades.made

    @property
    def staffed(self) -> bool:
        """Whether the hosts that are waited for at the start are there."""
        return bool(self._roster.slots)

    @property
    def wanted(self) -> int:
        """How many hosts there are to be. From any thread."""
        return self._roster.wanted

    def stats(self) -> Mapping[str, StageStats]:
        """How each stage stands, by name."""
        now = self._roster.now
        return {name: stage.stats(now) for name, stage in self._stages.items()}

    def hosts(self) -> Sequence[HostStats]:
        """How each host stands."""

        def groups(host: int) -> int:
            return sum(stage.routing.count(host) for stage in self._stages.values())

        return [one for roster in self._rosters for one in roster.stats(groups)]

    def _batch_arrived(self, message: BatchArrived) -> list[Command]:
        stage = self._stages[message.stage]
        stage.pulled = False
        notices = () if message.taken is None else (message.taken,)
        return stage.arrive(message) + self._commit(stage, (), notices)

    def _host_answered(self, message: HostAnswered) -> list[Command]:
        if not self._roster.answered(message.host, message.ticket):
            return []
        stage = self._stages[message.stage]
        return self._commit(stage, *stage.answer(message))

    def _snapshot_taken(self, message: SnapshotTaken) -> list[Command]:
        if not self._roster.answered(message.host, message.ticket):
            return []
        self._stages[message.stage].snapshot(message)
        return []

    def _committed(self, message: Committed) -> list[Command]:
        self._durable = max(self._durable, message.commit)
        self._log = max(self._log, message.log)
        commands: list[Command] = []
        for stage in self._stages.values():
            if stage.committed(message.commit, message.at):
                commands += self._roster.keep_spares()
        return commands + self._advance()

    def _feed_paused(self, message: FeedIdle | FeedEnded) -> list[Command]:
        stage = self._stages[message.stage]
        stage.pulled = False
        if isinstance(message, FeedEnded):
            stage.ended = True
            return self._advance()
        stage.idle = message.watermark >= self._watermarks[message.stage]
        return []

    def _hosts_changed(self, message: Message) -> list[Command]:
        match message:
            case HostReady():
                rosters = self._rosters
                return [c for one in rosters for c in one.ready(message.host, message.place)]
            case HostLost():
                return self._lose(message.host, why=message.why)
            case HostRefused():
                return self._refused(message)
            case ScaleTo():
                return self._scale(message.hosts)
            case UpgradeRequested():
                return self._upgrades.begin(message, self._roster)
        return self._told(message)

    def _told(self, message: Message) -> list[Command]:
        match message:
            case HeldRead():
                return self._release(message)
            case ReleaseRequested():
                for stage in self._stages.values():
                    stage.quarantine.ask(message.who, drop=message.drop)
            case Tick():
                return self._tick(message)
            case DrainRequested() | ResumeRequested():
                self._draining = isinstance(message, DrainRequested)
            case StopRequested():
                self._stopping = True
            case UpgradeWithdrawn():
                return self._upgrades.give_up("withdrawn", "")
            case StateRead():
                for roster in self._rosters:
                    roster.answered(message.host, message.ticket)
                self._upgrades.read(message.ticket)
            case FeedReady():
                self._stages[message.stage].idle = False
        return []

    def _tick(self, tick: Tick) -> list[Command]:
        commands: list[Command] = []
        for host in self._roster.tick(tick.now):
            commands += self._lose(host)
        commands += self._upgrades.tick(tick.now)
        if all(stage.settled(self._roster.slots) for stage in self._stages.values()):
            commands += self._roster.fill()
        for stage in self._stages.values():
            stage.tick(self._roster.now)
        if self._autoscaler is not None and self.staffed:
            load = max(stage.load for stage in self._stages.values())
            wanted = self._autoscaler.observe(self._roster.now, load, self._roster.wanted)
            commands += [] if wanted is None else self._scale(wanted)
        return commands

    def _scale(self, hosts: int) -> list[Command]:
        return [command for roster in self._rosters for command in roster.scale(hosts)]

    def _lose(self, host: int, refused: LucentError | None = None, why: str = "") -> list[Command]:
        if self._upgrades.has(host):
            return self._upgrades.lose(host, why)
        work = self._roster.working_on(host)
        commands: list[Command] = []
        if work is not None:
            stage = self._stages[work.stage]
            commands = self._commit(stage, *stage.blame(host, work.seq, work.piece))
        for stage in self._stages.values():
            stage.lose(host)
        stop = [StopHost(host, gently=False)] if host in self._roster.records else []
        return [*commands, *stop, *self._roster.drop(host, refused)]

    @property
    def _rosters(self) -> list[Roster]:
        """The hosts that work, and those that are to take over from them. From any thread."""
        over, working = self._upgrades.over, self._roster
        return [working] if over is None or over.roster is working else [working, over.roster]

    def _refused(self, message: HostRefused) -> list[Command]:
        if self._upgrades.has(message.host):
            return self._upgrades.give_up("refused", str(message.error))
        return self._lose(message.host, message.error)

    def _switch(self) -> list[Command]:
        """Bring the upgrade under way a step further, if it is due."""
        over, stages = self._upgrades.over, self._stages
        if over is None or not over.due(stages):
            return []
        each = stages.values()
        if self._pending or not all(s.quiet for s in each) or all(s.finished for s in each):
            over.read_anew()
            return []
        if not all(stage.reflected for stage in each):
            return self._reflect()
        commands = over.read_state(stages)
        if not over.has_read:
            return commands
        number, self._next_commit = self._next_commit, self._next_commit + 1
        commands = self._upgrades.take_over(stages, self._roster, number)
        self._roster = over.roster
        return commands

    def _commit(
        self, stage: Stage, events: tuple[Sealed, ...] = (), notices: tuple[Notice, ...] = ()
    ) -> list[Command]:
        number = self._next_commit
        landed, cursor = stage.land(number)
        if not (events or notices or landed):
            return []
        self._next_commit += 1
        return [Commit(number, stage.spec.name, events, checkpoint=cursor, notices=notices)]

    def _snapshot(self, stage: Stage) -> list[Command]:
        commit = stage.take_snapshot(self._next_commit)
        if commit is None:
            return []
        self._next_commit += 1
        return [commit]

    def _release(self, read: HeldRead) -> list[Command]:
        stage = self._stages[read.stage]
        number, self._next_commit = self._next_commit, self._next_commit + 1
        return stage.release(read, number) + self._commit(stage)

    def _advance(self) -> list[Command]:
        commands: list[Command] = []
        for name, stage in self._stages.items():
            if not stage.spec.upstream:
                continue
            above = [self._stages[upstream] for upstream in stage.spec.upstream]
            watermark = min(NEVER if one.finished else one.position for one in above)
            if watermark > self._watermarks[name]:
                self._watermarks[name] = watermark
                stage.idle = False
                commands.append(Advance(name, watermark, self._log, watermark == NEVER))
        return commands

    def _hand_out(self, commands: list[Command]) -> list[Command]:
        """Add what is due now, whatever was told, and note what hosts are given."""
        commands += self._switch()
        roster = self._roster
        for stage in self._stages.values():
            if not stage.settled(roster.slots):
                commands += stage.reroute(roster.slots, roster.serving)
            commands += stage.barrier(roster.slots)
            commands += self._snapshot(stage)
            held = stage.read_held()
            commands += [] if held is None else [held]
        for host in roster.leaving():
            if not any(stage.routing.count(host) for stage in self._stages.values()):
                commands.append(roster.retire(host))
        return [*self._noted(commands), *self._pull(), *self._noted(self._finish())]

    def _noted(self, commands: list[Command]) -> list[Command]:
        """The same commands; what hosts are given is noted."""
        for command in commands:
            match command:
                case Send():
                    work = Work(command.stage, command.seq, command.piece)
                    self._roster.gave(command.host, command.ticket, work)
                case TakeSnapshot():
                    self._roster.gave(command.host, command.ticket, Work(command.stage))
        return commands

    def _pull(self) -> list[Command]:
        commands: list[Command] = []
        if self._draining or self._stopping:
            return commands
        for name, stage in self._stages.items():
            if stage.resting or self._roster.busy(name, stage.parts_ahead):
                continue
            room = stage.room()
            if room and not self._upgrades.due(self._stages):
                stage.pulled = True
                commands.append(Pull(name, room))
        return commands

    def _finish(self) -> list[Command]:
        stages = self._stages.values()
        done = all(stage.finished for stage in stages)
        still = self._stopping and all(stage.quiet for stage in stages)
        if self._finished or self._pending or not (done or still):
            return []
        if not all(stage.reflected for stage in stages):
            return self._reflect()
        self._finished = True
        return [Finish(completed=done)]

    @property
    def _pending(self) -> bool:
        return self._durable < self._next_commit - 1

    def _reflect(self) -> list[Command]:
        slots, stages = self._roster.slots, self._stages.values()
        return [c for s in stages for c in (*s.barrier(slots, final=True), *self._snapshot(s))]
