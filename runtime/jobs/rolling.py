"""Upgrading a run while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

from runtime.engine.inheritance import left
from runtime.engine.plan import RunPlan
from runtime.engine.runner import Hosts, Post
from runtime.engine.supervisor import Supervisor
from runtime.errors import RunConflict
from runtime.identity import SigningKey
from runtime.jobs.config import RunConfig
from runtime.jobs.proposal import Proposal, Question, heard_by
from runtime.jobs.upgrade import decided_until, history_of
from runtime.store import EventStore

KEPT = ("run", "store", "hosts", "autoscale", "credit", "feeds")
"""The sections of a config that an upgrade lets be, as far as it can be upgraded to at all."""


class Begun(NamedTuple):
    """An upgrade that hosts are started for: the edition that is to take over.

    `kept` names the sections of its config that say something else than the run goes by, and
    are not gone by until it is started with it; `notes` are for who asked.
    """

    edition: int
    kept: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Going:
    """A run that goes on: how it began, its store, the keys of its agents, its hosts."""

    config: RunConfig
    plan: RunPlan
    store: EventStore
    keys: Mapping[str, SigningKey]
    hosts: Hosts


Resolve = Callable[[Question], Proposal]
"""Answers a question, in a process that has not imported the strategies of before."""


class Upgrading:
    """Upgrades of a run that goes on under `supervisor`, one at a time."""

    def __init__(self, run: Going, supervisor: Supervisor, post: Post) -> None:
        self._run, self._supervisor, self._post = run, supervisor, post
        self._lock = Lock()
        self._edition = 0

    def begin(self, config: RunConfig, resolve: Resolve) -> Begun:
        """Let the run be upgraded to `config`.

        Returns as soon as its hosts are being started. Raises what `resolve` does, and
        `RunConflict` while another upgrade is under way.
        """
        going = self._run
        with self._lock:
            stands = self._supervisor.upgrade
            seen = 0 if stands is None else stands.edition
            under_way = stands is not None and stands.state in ("preparing", "switching")
            if seen != self._edition or under_way:
                raise RunConflict(
                    f"run {going.plan.run!r} is being upgraded: wait for that, then ask again"
                )
            past = history_of(going.store, going.plan.run)
            assert past is not None, "a run that goes on is in its store"
            reached = {name: decided_until(going.store, name) for name in going.keys}
            heard, states = heard_by(going.plan), _states(going.store, going.plan)
            proposal = resolve(Question(past, reached, heard, states, config, going.keys))
            self._edition += 1
            going.hosts.prepare(self._edition, proposal.plan)
            self._post(proposal.request(self._edition))
            return Begun(self._edition, _kept(going.config, config), proposal.notes)


def _kept(now: RunConfig, config: RunConfig) -> tuple[str, ...]:
    return tuple(name for name in KEPT if getattr(now, name) != getattr(config, name))


def _states(store: EventStore, plan: RunPlan) -> dict[str, dict[int, bytes]]:
    """The state of a few key groups of each stage, as far as snapshots hold any."""
    return {one.name: dict(next(left(store, plan.run, one.name), {})) for one in plan.stages}
