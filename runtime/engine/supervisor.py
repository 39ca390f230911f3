"""The supervisor: a pure state machine that coordinates feeds, hosts and the log.

It is told messages and returns commands; it imports no Ray, no thread, no clock and no
random number. Whoever drives it carries the commands out, in their order, and tells it
what came of them. Laws it keeps:

- the results of a key group are committed in the order in which its events were sent;
- a checkpoint is committed with, or after, every event it covers;
- credit returns, and later stages are told, only when a commit is durable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runtime.engine.credit import CreditLimits
from runtime.engine.keygroups import assignment
from runtime.engine.messages import (
    Advance,
    BatchArrived,
    Command,
    Commit,
    Committed,
    DrainRequested,
    FeedEnded,
    FeedIdle,
    Finish,
    HostAnswered,
    Message,
    Pull,
    Sealed,
    Send,
    SnapshotTaken,
    TakeSnapshot,
)
from runtime.engine.stage import Stage, StageSpec, StageStats

NEVER = 2**62
"""The watermark of a stage that has decided on all there will ever be."""


class Supervisor:
    """Coordinates the stages of a run over `hosts` host numbers 0, 1, ...

    A snapshot of a stage is taken every `snapshot_events` events, and at the end.
    """

    def __init__(
        self,
        stages: Sequence[StageSpec],
        hosts: int,
        limits: CreditLimits,
        *,
        snapshot_events: int = 100_000,
    ) -> None:
        routing = assignment(range(hosts))
        self._hosts = set(range(hosts))
        self._stages = {spec.name: Stage(spec, limits, routing, snapshot_events) for spec in stages}
        self._watermarks = dict.fromkeys(self._stages, -1)
        self._draining = self._final = self._finished = False
        self._next_commit = 0
        self._durable = -1
        self._log = -1

    def start(self, log: int) -> list[Command]:
        """The first commands; `log` is the last position of the log before the run."""
        self._log = log
        return self._advance() + self._pull()

    def handle(self, message: Message) -> list[Command]:
        """Take a message; returns what is to be done now, in this order."""
        match message:
            case BatchArrived():
                commands = self._batch_arrived(message)
            case HostAnswered():
                commands = self._host_answered(message)
            case Committed():
                commands = self._committed(message)
            case SnapshotTaken():
                self._stages[message.stage].snapshot(message)
                commands = self._snapshot(self._stages[message.stage])
            case FeedIdle() | FeedEnded():
                commands = self._feed_paused(message)
            case DrainRequested():
                self._draining = True
                commands = []
        return commands + self._pull() + self._finish()

    def stats(self) -> Mapping[str, StageStats]:
        """How each stage stands, by name."""
        return {name: stage.stats() for name, stage in self._stages.items()}

    def _batch_arrived(self, message: BatchArrived) -> list[Command]:
        stage = self._stages[message.stage]
        stage.pulled = False
        seq, parts = stage.arrive(message)
        commands: list[Command] = [Send(part.host, message.stage, seq, part.rows) for part in parts]
        if not parts:
            commands += self._commit(stage, ())
        return commands + self._barrier(stage)

    def _host_answered(self, message: HostAnswered) -> list[Command]:
        stage = self._stages[message.stage]
        commands = self._commit(stage, stage.answer(message))
        return commands + self._snapshot(stage)

    def _committed(self, message: Committed) -> list[Command]:
        self._durable = max(self._durable, message.commit)
        self._log = max(self._log, message.log)
        for stage in self._stages.values():
            stage.committed(message.commit)
        return self._advance()

    def _feed_paused(self, message: FeedIdle | FeedEnded) -> list[Command]:
        stage = self._stages[message.stage]
        stage.pulled = False
        if isinstance(message, FeedEnded):
            stage.ended = True
            return self._advance()
        stage.idle = message.watermark >= self._watermarks[message.stage]
        return []

    def _commit(self, stage: Stage, events: tuple[Sealed, ...]) -> list[Command]:
        number = self._next_commit
        cursor = stage.land(number)
        if not events and cursor is None:
            return []
        self._next_commit += 1
        return [Commit(number, stage.spec.name, events, checkpoint=cursor)]

    def _barrier(self, stage: Stage, *, final: bool = False) -> list[Command]:
        seq = stage.barrier(self._hosts, final=final)
        if seq is None:
            return []
        return [TakeSnapshot(host, stage.spec.name, seq) for host in sorted(self._hosts)]

    def _snapshot(self, stage: Stage) -> list[Command]:
        snapshot = stage.take_snapshot()
        if snapshot is None:
            return []
        number, self._next_commit = self._next_commit, self._next_commit + 1
        return [Commit(number, stage.spec.name, (), snapshot=snapshot)]

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

    def _pull(self) -> list[Command]:
        commands: list[Command] = []
        if self._draining:
            return commands
        for name, stage in self._stages.items():
            room = stage.room()
            if room:
                stage.pulled = True
                commands.append(Pull(name, room))
        return commands

    def _finish(self) -> list[Command]:
        stages = self._stages.values()
        done = all(stage.finished for stage in stages)
        still = self._draining and all(stage.quiet for stage in stages)
        pending = self._durable < self._next_commit - 1
        if self._finished or pending or not (done or still):
            return []
        if not self._final:
            self._final = True
            commands = [command for stage in stages for command in self._barrier(stage, final=True)]
            if commands:
                return commands
        self._finished = True
        return [Finish(completed=done)]
