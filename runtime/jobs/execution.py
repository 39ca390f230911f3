"""Carrying a run out: from config and keys to a log that ends in a root."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from runtime.engine.inputs import Decisions, Observations
from runtime.engine.messages import DrainRequested
from runtime.engine.plan import RunPlan, StagePlan, strategy_class
from runtime.engine.runner import Hosts, Post, Runner, StageFeed
from runtime.engine.stage import StageSpec, StageStats, read_stage_cursor
from runtime.engine.supervisor import Supervisor
from runtime.engine.windows import columns_for
from runtime.errors import RunInterrupted
from runtime.events import run_stream
from runtime.feeds import DecisionSource, DecisionTape, Feed, Merge, RejectReport, Tape
from runtime.identity import SigningKey
from runtime.jobs.config import RunConfig
from runtime.jobs.fingerprint import fingerprint
from runtime.jobs.journal import Journal
from runtime.jobs.planning import appoint, plan_run
from runtime.store import EventStore, SqliteStore

LOCK_WAIT = 10.0
"""Seconds to wait for a store that another run has not let go of yet."""

CHECKED_ROWS = 65_536
"""Rows checked at a time before a run begins."""

States = Mapping[str, Mapping[int, bytes]]
StartHosts = Callable[[RunPlan, Post, States], Hosts]


@dataclass(frozen=True, slots=True)
class Status:
    """How a run stands: the phase it is in, and each stage by name."""

    phase: str = "starting"
    stages: Mapping[str, StageStats] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to.

    `root` covers `decisions` events in `streams` decision streams; `events` counts what
    this process took in from the feeds, in `seconds` of wall time without start-up.
    `resumed` says that an earlier process had begun it.
    """

    run: str
    run_id: str
    store: Path
    completed: bool
    resumed: bool
    root: str
    streams: int
    decisions: int
    events: int
    seconds: float
    hosts: int
    stages: Mapping[str, StageStats]
    rejected: RejectReport


class RunControl:
    """Tells how a run stands and drains it, from any thread, before and while it goes on."""

    def __init__(self) -> None:
        self._runner: Runner | None = None
        self._supervisor: Supervisor | None = None
        self._drained = False
        self._phase = Status().phase

    @property
    def drained(self) -> bool:
        """Whether an orderly stop was asked for."""
        return self._drained

    def enter(self, phase: str) -> None:
        """Tell what is under way before the run has begun."""
        self._phase = phase

    def attach(self, runner: Runner, supervisor: Supervisor) -> None:
        """The run has begun."""
        self._runner, self._supervisor = runner, supervisor
        if self._drained:
            runner.post(DrainRequested())

    def drain(self) -> None:
        """Ask for an orderly stop."""
        self._drained = True
        if self._runner is not None:
            self._runner.drain()

    def status(self) -> Status:
        """How the run stands."""
        if self._supervisor is None:
            return Status(self._phase)
        return Status("draining" if self._drained else "running", self._supervisor.stats())


@dataclass(frozen=True, slots=True)
class Job:
    """All a run needs, as data that can be sent to another process."""

    config: RunConfig
    keys: Mapping[str, SigningKey]
    journal_key: SigningKey


def execute(job: Job, start_hosts: StartHosts, control: RunControl) -> Outcome:
    """Carry the run out to its end, or until `control` drains it.

    Holds the store's lock meanwhile. Goes on where the store says it was left. Raises
    `LucentError` leaves; what was durable by then stays so. A new run begins only once all
    its input was read and found usable; drained before that, it raises `RunInterrupted`.
    """
    with closing(open_feed(job.config)) as feed:
        plan, declared = plan_run(job.config, appoint(job.config), job.keys, feed.digests())
        control.enter("opening the store")
        with SqliteStore.open(job.config.store_path, wait=LOCK_WAIT) as store:
            journal = Journal(store, plan, job.journal_key)
            if store.revision(run_stream(plan.run)) < 0:
                _check_input(store, plan, job.config, control)
            new = journal.begin(declared, fingerprint())
            ground = _Ground(plan, store, job.config, feed, journal, new)
            return _carry_out(ground, start_hosts, control)


@dataclass(frozen=True, slots=True)
class _Ground:
    plan: RunPlan
    store: EventStore
    config: RunConfig
    feed: Merge
    journal: Journal
    new: bool


def _carry_out(ground: _Ground, start_hosts: StartHosts, control: RunControl) -> Outcome:
    plan, store = ground.plan, ground.store
    snapshots = {s.name: store.snapshot(f"{plan.run}/{s.name}") for s in plan.stages}
    feeds: dict[str, StageFeed] = {}
    opened: list[Feed] = []
    for stage in plan.stages:
        snapshot = snapshots[stage.name]
        cursor = None if snapshot is None else read_stage_cursor(snapshot.cursor)[1]
        feeds[stage.name] = _stage_feed(ground, stage, cursor, opened)
    supervisor = Supervisor(
        [_spec(store, plan, stage) for stage in plan.stages],
        plan.hosts,
        plan.limits,
        snapshot_events=plan.snapshot_events,
    )
    runner = Runner(supervisor, feeds, store)
    states = {name: one.parts for name, one in snapshots.items() if one is not None}
    control.enter(f"waiting for {plan.hosts} hosts")
    hosts = start_hosts(plan, runner.post, states)
    control.attach(runner, supervisor)
    began = perf_counter()
    try:
        completed = runner.run(hosts, plan.run)
    finally:
        hosts.close()
    seconds = perf_counter() - began
    ended = ground.journal.end(completed=completed)
    rejected = opened[0].rejected()
    for feed in opened[1:]:
        feed.close()
    return Outcome(
        run=plan.run,
        run_id=plan.run_id,
        store=ground.config.store_path,
        completed=completed,
        resumed=not ground.new,
        root=ended.root,
        streams=ended.streams,
        decisions=ended.decisions,
        events=_observed(plan, supervisor.stats()),
        seconds=seconds,
        hosts=plan.hosts,
        stages=supervisor.stats(),
        rejected=rejected,
    )


def _observed(plan: RunPlan, stats: Mapping[str, StageStats]) -> int:
    """Observations taken in, by the stage that took in most of them."""
    return max(stats[stage.name].events for stage in plan.stages if not stage.upstream)


def _check_input(store: EventStore, plan: RunPlan, config: RunConfig, control: RunControl) -> None:
    """Read the feeds to their end: what cannot be used is told before anything is decided.

    So mending a file and running again is a clean run, in the same store.
    """
    control.enter("checking the input")
    with closing(open_feed(config)) as feed:
        for stage in plan.stages:
            if stage.upstream:
                DecisionTape(store, _source(plan, stage))
            else:
                Observations(stage.name, feed, stage.listens, stage.key, stage.select)
        while feed.read(CHECKED_ROWS) is not None:
            if control.drained:
                raise RunInterrupted(
                    f"run {plan.run!r} was stopped before it began: run it again to start it"
                )


def open_feed(config: RunConfig) -> Merge:
    """The merged observations of a config."""
    return Merge([Tape(spec, config.base) for spec in config.feeds])


def _spec(store: EventStore, plan: RunPlan, stage: StagePlan) -> StageSpec:
    cursor = store.checkpoint(f"{plan.run}/{stage.name}")
    position = 0 if cursor is None else read_stage_cursor(cursor)[0]
    upstream = tuple(dict.fromkeys(stage.upstream.values()))
    return StageSpec(stage.name, upstream, position)


def _stage_feed(
    ground: _Ground, stage: StagePlan, cursor: str | None, opened: list[Feed]
) -> StageFeed:
    if stage.upstream:
        tape = DecisionTape(ground.store, _source(ground.plan, stage))
        if cursor is not None:
            tape.seek(cursor)
        return Decisions(stage.name, tape, stage.select)
    feed = open_feed(ground.config) if opened else ground.feed
    opened.append(feed)
    if cursor is not None:
        feed.seek(cursor)
    return Observations(stage.name, feed, stage.listens, stage.key, stage.select)


def _source(plan: RunPlan, stage: StagePlan) -> DecisionSource:
    ranks = {agent.name: agent.rank for agent in plan.agents if agent.name in stage.upstream}
    inputs = [strategy_class(agent.strategy).inputs for agent in stage.agents]
    fields = columns_for(inputs) | dict.fromkeys(stage.select, str)
    return DecisionSource(ranks, stage.listens, stage.key, fields)
