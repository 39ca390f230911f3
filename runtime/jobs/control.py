"""How a run is watched and steered while it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runtime.engine.messages import (
    DrainRequested,
    Message,
    ReleaseRequested,
    ResumeRequested,
    ScaleTo,
    StopRequested,
    UpgradeWithdrawn,
)
from runtime.engine.results import Who
from runtime.engine.runner import Runner
from runtime.engine.statistics import HostStats, StageStats, UpgradeStats
from runtime.engine.supervisor import Supervisor
from runtime.errors import RunConflict
from runtime.jobs.config import RunConfig
from runtime.jobs.rolling import Begun, Going, Resolve, Upgrading


@dataclass(frozen=True, slots=True)
class Status:
    """How a run stands: its phase, each stage by name, its hosts, what is in quarantine.

    `upgrade` is the last rolling one that was asked for; `address` is the host:port of the Ray
    that it runs on, where that is told; `notes` is what its user is to be told of how it began.
    """

    phase: str = "starting"
    stages: Mapping[str, StageStats] = field(default_factory=dict)
    hosts: Sequence[HostStats] = ()
    parked: Mapping[str, Sequence[Who]] = field(default_factory=dict)
    upgrade: UpgradeStats | None = None
    address: str = ""
    notes: Sequence[str] = ()


class RunControl:
    """Tells how a run stands, and steers it; from any thread, before and while it goes on."""

    def __init__(self) -> None:
        self._runner: Runner | None = None
        self._supervisor: Supervisor | None = None
        self._upgrading: Upgrading | None = None
        self._asked: list[Message] = []
        self._stopped = False
        self._phase = Status().phase
        self._notes: tuple[str, ...] = ()

    @property
    def stopped(self) -> bool:
        """Whether an orderly stop was asked for."""
        return self._stopped

    def enter(self, phase: str) -> None:
        """Tell what is under way before the run has begun."""
        self._phase = phase

    def note(self, notes: tuple[str, ...]) -> None:
        """Tell what its user is to know before the run goes on."""
        self._notes = notes

    def attach(self, runner: Runner, supervisor: Supervisor, going: Going) -> None:
        """The run has begun."""
        self._runner, self._supervisor = runner, supervisor
        self._upgrading = Upgrading(going, supervisor, runner.post)
        for message in self._asked:
            runner.post(message)

    def drain(self) -> None:
        """Take nothing more in until `resume`; what is under way is finished."""
        self._ask(DrainRequested())

    def resume(self) -> None:
        """Take in again."""
        self._ask(ResumeRequested())

    def stop(self) -> None:
        """Take nothing more in, finish what is under way, and end."""
        self._stopped = True
        self._ask(StopRequested())

    def scale(self, hosts: int) -> None:
        """Ask for another number of hosts."""
        self._ask(ScaleTo(hosts))

    def release(self, who: Who, *, drop: bool = False) -> None:
        """Let an aggregate in quarantine go on; `drop`: without the event it was parked at."""
        self._ask(ReleaseRequested(who, drop))

    def upgrade(self, config: RunConfig, resolve: Resolve) -> Begun:
        """Let the run be upgraded to another config while it goes on, as `Upgrading.begin` does."""
        if self._upgrading is None:
            raise RunConflict(f"run {config.run.name!r} has not begun yet: ask again")
        return self._upgrading.begin(config, resolve)

    def withdraw(self) -> None:
        """Give up the upgrade under way, if it has not been made yet."""
        self._ask(UpgradeWithdrawn())

    def status(self) -> Status:
        """How the run stands."""
        if self._supervisor is None:
            return Status(self._phase, notes=self._notes)
        supervisor = self._supervisor
        return Status(
            supervisor.phase,
            supervisor.stats(),
            supervisor.hosts(),
            supervisor.parked(),
            supervisor.upgrade,
            notes=self._notes,
        )

    def _ask(self, message: Message) -> None:
        self._asked.append(message)
        if self._runner is not None:
            self._runner.post(message)
