"""A whole simulated run: processes that come and go over one log, under a seeded scheduler."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from runtime.engine.commands import ReadState, Restore, TakeSnapshot
from runtime.engine.messages import ScaleTo, StopRequested
from runtime.engine.simulation.feed import rows_of
from runtime.engine.simulation.laws import LawBroken, Laws
from runtime.engine.simulation.process import Process
from runtime.engine.simulation.scenario import ENDS, Fault, Scenario
from runtime.engine.simulation.store import SimulatedStore
from runtime.errors import ConfigError, Fenced, HostDied, StoreFull

PATIENCE = 30_000
"""A run that takes more steps than this makes no progress."""

ZOMBIE_STEPS = 60
"""So many steps a process goes on after it was taken over."""


_PLAIN: Mapping[str, Callable[[Process], None]] = {
    "answer-lost": Process.lose_answer,
    "answer-twice": Process.repeat_answer,
    "release": Process.release,
    "upgrade-hangs": Process.hang,
    "upgrade-refused": Process.refuse,
    "upgrade-withdrawn": Process.withdraw,
}


class World:
    """Carries a scenario out; raises `LawBroken` if it breaks a law."""

    def __init__(self, plan: Scenario) -> None:
        self._plan = plan
        self._rng = random.Random(plan.seed)  # noqa: S311 (a schedule, not a secret)
        self.store = SimulatedStore()
        self._laws = Laws(plan, self.store)
        keys = [f"key-{key}" for key in plan.keys]
        self._rows = rows_of(keys, list(range(len(keys))))
        self._zombies: list[tuple[Process, int]] = []
        self._process = self._begin()

    def run(self) -> int:
        """Run to the end; returns how many steps it took."""
        faults = list(self._plan.faults)
        for step in range(PATIENCE):
            while faults and faults[0].step <= step:
                self._befall(faults.pop(0))
            self._step()
            if self._process.finished is not None:
                self._laws.check_bound(self._process.supervisor.stats())
                if self._ended():
                    return step
                self._process = self._begin()
                self._process.release()
        raise LawBroken(f"no end after {PATIENCE} steps")

    def _ended(self) -> bool:
        """Whether the run is complete; what is in quarantine then is released, and cured."""
        finished = self._process.finished
        if finished is None or not finished.completed:
            return False
        parked = [who for those in self._process.supervisor.parked().values() for who in those]
        self._laws.check_end(parked)
        self.store.cured = True
        return not parked

    def _begin(self) -> Process:
        return Process(self._plan, self._rows, self.store, self._rng, self._laws)

    def _step(self) -> None:
        if self._zombies:
            self._zombies = [
                (zombie, steps - 1) for zombie, steps in self._zombies if steps and _lives(zombie)
            ]
        try:
            self._process.step()
        except (ConfigError, StoreFull, HostDied):
            self._process = self._begin()

    def _befall(self, fault: Fault) -> None:
        process = self._process
        hosts = sorted(process.hosts)
        if fault.kind in ENDS:
            self._end(fault.kind)
        elif fault.kind == "kill" and hosts:
            process.kill(hosts[fault.size % len(hosts)])
        elif fault.kind == "scale":
            process.mailbox.append(ScaleTo(fault.size))
        elif fault.kind == "store-fails":
            self.store.failing = fault.size
        elif fault.kind == "store-ambiguous":
            self.store.ambiguous = fault.size
        else:
            self._hinder(process, fault)

    def _hinder(self, process: Process, fault: Fault) -> None:
        match fault.kind:
            case "kill-in-snapshot":
                process.doomed = TakeSnapshot
            case "kill-in-restore":
                process.doomed = Restore
            case "store-slow":
                process.slow = 20 * fault.size
            case "feed-stalls":
                process.stalled = 20 * fault.size
            case "time-leaps":
                process.tick(10.0 * fault.size)
            case "upgrade" | "upgrade-unreadable":
                process.upgrade(fault.size, blind=fault.kind != "upgrade")
            case "kill-in-reading":
                process.doomed = ReadState
            case "cure":
                self.store.cured = True
            case _ if fault.kind in _PLAIN:
                _PLAIN[fault.kind](process)

    def _end(self, kind: str) -> None:
        if kind == "stop":
            self._process.mailbox.append(StopRequested())
            return
        if kind == "disk-full":
            self.store.failing = 50
            return
        if kind == "zombie":
            self._zombies.append((self._process, ZOMBIE_STEPS))
        self._process = self._begin()


def _lives(zombie: Process) -> bool:
    """Let a process that was taken over go on; False once it has ended."""
    try:
        zombie.step()
    except (ConfigError, Fenced, StoreFull, HostDied):
        return False
    return zombie.finished is None


def breaks(plan: Scenario) -> str | None:
    """What carrying a scenario out breaks, None if nothing."""
    try:
        World(plan).run()
    except Exception as error:  # noqa: BLE001 (whatever a run raises is what it broke)
        return f"{type(error).__name__}: {error}"
    return None
