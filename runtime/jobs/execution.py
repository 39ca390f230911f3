"""Carrying a run out: from config and keys to a log that ends in a root."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from runtime.engine.commands import ReadState, Restore
from runtime.engine.committer import Committer
from runtime.engine.cursor import read_stage_cursor
from runtime.engine.held import held_batches, in_quarantine
from runtime.engine.inputs import Decisions, Observations
from runtime.engine.messages import FeedReady, ReleaseRequested
from runtime.engine.pen import Author
from runtime.engine.plan import RunPlan, StagePlan, columns_of
from runtime.engine.quarantine import InQuarantine
from runtime.engine.runner import Hosts, Load, Post, Runner, StageFeed
from runtime.engine.spec import StageSpec
from runtime.engine.statistics import StageStats
from runtime.engine.supervisor import Supervisor
from runtime.errors import RunConflict, RunInterrupted, SnapshotDamaged, StoreMissing
from runtime.events import RunCompleted, StrategyUpgraded, run_stream
from runtime.feeds import DecisionSource, DecisionTape, Feed, Merge, RejectReport
from runtime.identity import SigningKey
from runtime.jobs.config import RunConfig
from runtime.jobs.control import RunControl
from runtime.jobs.fingerprint import fingerprint
from runtime.jobs.intake import Intake, open_feed, plan_intake
from runtime.jobs.journal import Beginning, Journal, started_runs
from runtime.jobs.planning import appoint, plan_run
from runtime.jobs.quarantine import author as quarantine_author
from runtime.jobs.rolling import Going
from runtime.jobs.upgrade import Adopted, adopt, replayed, upgraded
from runtime.store import EventStore, Fence, open_store, shown

LOCK_WAIT = 10.0
"""Seconds to wait for a store that another run has not let go of yet."""

CHECKED_ROWS = 65_536
"""Rows checked at a time before a run begins."""

StartHosts = Callable[[RunPlan, Post, Load], Hosts]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to.

    `root` covers `decisions` events in `streams` decision streams; `events` counts what
    this process took in from the feeds, in `seconds` of wall time without start-up.
    `resumed` says that an earlier process had begun it, `stopped` that it was stopped before the
    end of its input, `upgraded` that it may decide with other strategies by now than this config
    says. `parked` aggregates are in quarantine: as long as there are any, the run is not
    `completed`. At last it was to have so many `hosts`. `notes` are for its user: snapshots that
    could not be used, files of strategies that were edited.
    """

    run: str
    run_id: str
    store: str | Path
    completed: bool
    stopped: bool
    parked: int
    resumed: bool
    upgraded: bool
    root: str
    streams: int
    decisions: int
    events: int
    seconds: float
    hosts: int
    stages: Mapping[str, StageStats]
    rejected: RejectReport
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """All a run needs, as data that can be sent to another process.

    `releases` are aggregates in quarantine that are to go on; `upgrade`: agents may decide with
    another version from here; `again`: an earlier supervisor had begun, and may have been upgraded.
    """

    config: RunConfig
    keys: Mapping[str, SigningKey]
    journal_key: SigningKey
    releases: tuple[ReleaseRequested, ...] = ()
    upgrade: bool = False
    again: bool = False


def execute(job: Job, start_hosts: StartHosts, control: RunControl) -> Outcome:
    """Carry the run out to its end, or until `control` stops it.

    Holds the store's lock meanwhile. Goes on where the store says it was left. Raises
    `LucentError` leaves; what was durable by then stays so. A new run begins only once all
    its input was read and found usable; stopped before that, it raises `RunInterrupted`.
    """
    with closing(open_feed(job.config)) as feed:
        earlier = _upgraded(job.config) if job.again else {}
        appointed = appoint(job.config, earlier)
        plan, declared = plan_run(job.config, appointed, job.keys, feed.digests())
        control.enter("opening the store")
        with closing(_opened(job.config)) as store:
            adopted = _adopted(store, plan, declared, job)
            plan, declared = adopted.plan, adopted.declared(declared)
            if store.revision(run_stream(plan.run)) < 0:
                _check_input(store, plan, job.config, control)
            fence = store.claim(plan.run)
            journal = Journal(store, plan, job.journal_key, fence)
            snapshots, refused = _snapshots(store, plan)
            intake = plan_intake(job.config, plan, store, snapshots)
            parked = in_quarantine(store, plan.run)
            begun = journal.begin(declared, fingerprint(), refused, adopted.upgrades)
            control.note(begun.notes)
            ground = _Ground(
                plan=plan,
                store=store,
                committing=_Committing(fence, quarantine_author(plan, job.journal_key)),
                config=job.config,
                feed=feed,
                intake=intake,
                journal=journal,
                begun=begun,
                cursors=snapshots,
                parked=parked,
                keys=job.keys,
                upgraded=bool(earlier),
                releases=job.releases,
            )
            return _carry_out(ground, start_hosts, control)


def _upgraded(config: RunConfig) -> Mapping[str, StrategyUpgraded]:
    """What agents were last upgraded to before the supervisor died, by name."""
    try:
        with closing(open_store(config.store_place)) as store:
            return upgraded(store, config.run.name)
    except StoreMissing:
        return {}


def _opened(config: RunConfig) -> EventStore:
    return open_store(config.store_place, writer=True, wait=LOCK_WAIT)


@dataclass(frozen=True, slots=True)
class _Committing:
    fence: Fence
    author: Author


@dataclass(frozen=True, slots=True)
class _Ground:
    plan: RunPlan
    store: EventStore
    committing: _Committing
    config: RunConfig
    feed: Merge
    intake: Intake
    journal: Journal
    begun: Beginning
    cursors: Mapping[str, str]
    parked: Mapping[str, tuple[InQuarantine, ...]]
    keys: Mapping[str, SigningKey]
    upgraded: bool
    releases: tuple[ReleaseRequested, ...]


def _adopted(store: EventStore, plan: RunPlan, declared: dict[str, Any], job: Job) -> Adopted:
    """The plan of the run in the store, of the one that is replayed, or of a new one."""
    begun = store.revision(run_stream(plan.run)) >= 0
    adopted = adopt(store, plan, declared, upgrade=job.upgrade)
    place = job.config.replay_place
    if place is None:
        return adopted
    with closing(open_store(place)) as source:
        adopted = adopted if begun else replayed(source, plan, declared)
        if adopted.plan.run_id not in {run.run_id for run in started_runs(source)}:
            raise RunConflict(
                f"{shown(place)} holds no run {plan.run!r} of these feeds and agents: its config"
                " must be the same, but for [run] pace and replay"
            )
    return adopted


def _snapshots(store: EventStore, plan: RunPlan) -> tuple[dict[str, str], list[str]]:
    """The cursor of each stage's snapshot, and what is wrong with those that cannot be used.

    A stage without a usable one decides again from the beginning of its input.
    """
    cursors: dict[str, str] = {}
    refused = []
    for stage in plan.stages:
        try:
            snapshot = store.snapshot(_named(plan, stage))
        except SnapshotDamaged as error:
            refused.append(str(error))
        else:
            if snapshot is not None:
                cursors[stage.name] = snapshot.cursor
    return cursors, refused


def _named(plan: RunPlan, stage: StagePlan) -> str:
    return f"{plan.run}/{stage.name}"


def _carry_out(ground: _Ground, start_hosts: StartHosts, control: RunControl) -> Outcome:
    plan, store = ground.plan, ground.store
    feeds: dict[str, StageFeed] = {}
    opened: list[Feed] = []
    supervisor = Supervisor(
        [_spec(ground, stage) for stage in plan.stages],
        plan.pooling,
        plan.limits,
        snapshot_events=plan.snapshot_events,
        scaling=plan.scaling,
    )
    runner = Runner(supervisor, feeds, store.end(), partial(held_batches, store, plan.run))
    for stage in plan.stages:
        cursor = ground.cursors.get(stage.name)
        feed_cursor = None if cursor is None else read_stage_cursor(cursor)[1]
        wake = partial(runner.post, FeedReady(stage.name))
        feeds[stage.name] = _stage_feed(ground, stage, feed_cursor, opened, wake)
    hosts = start_hosts(plan, runner.post, _loader(store, plan))
    for release in ground.releases:
        control.release(release.who, drop=release.drop)
    control.attach(runner, supervisor, Going(ground.config, plan, store, ground.keys, hosts))
    try:
        committing = ground.committing
        committer = Committer(store, committing.fence, committing.author, runner.post)
        through = runner.run(hosts, committer)
    finally:
        for feed in opened:
            feed.close()
        hosts.close()
    seconds = 0.0 if runner.began is None else monotonic() - runner.began
    return _end(ground, supervisor, opened[0].rejected(), seconds, stopped=not through)


def _end(
    ground: _Ground,
    supervisor: Supervisor,
    rejected: RejectReport,
    seconds: float,
    *,
    stopped: bool,
) -> Outcome:
    """Note in the run's stream how it ended."""
    stages = supervisor.stats()
    parked = sum(stats.parked for stats in stages.values())
    ended = ground.journal.end(completed=not (stopped or parked))
    return Outcome(
        run=ground.plan.run,
        run_id=ground.plan.run_id,
        store=ground.config.store_place,
        completed=isinstance(ended, RunCompleted),
        stopped=stopped,
        parked=parked,
        resumed=not ground.begun.new,
        upgraded=ground.upgraded or supervisor.upgraded,
        root=ended.root,
        streams=ended.streams,
        decisions=ended.decisions,
        events=_observed(ground.plan, stages),
        seconds=seconds,
        hosts=supervisor.wanted,
        stages=stages,
        rejected=rejected,
        notes=ground.begun.notes,
    )


def _loader(store: EventStore, plan: RunPlan) -> Load:
    def load(command: ReadState | Restore) -> Mapping[int, bytes]:
        if isinstance(command, Restore) and not command.stored:
            return {}
        snapshot = store.snapshot(f"{plan.run}/{command.stage}", command.groups)
        return {} if snapshot is None else snapshot.parts

    return load


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
            if control.stopped:
                raise RunInterrupted(
                    f"run {plan.run!r} was stopped before it began: run it again to start it"
                )


def _spec(ground: _Ground, stage: StagePlan) -> StageSpec:
    cursor = ground.store.checkpoint(_named(ground.plan, stage))
    position = 0 if cursor is None else read_stage_cursor(cursor)[0]
    upstream = tuple(dict.fromkeys(stage.upstream.values()))
    parked = ground.parked.get(stage.name, ())
    cursor = ground.cursors.get(stage.name, "")
    agents = tuple(agent.name for agent in stage.agents)
    block = ground.plan.signing_block
    return StageSpec(stage.name, upstream, position, parked, cursor, agents, block)


def _stage_feed(
    ground: _Ground,
    stage: StagePlan,
    cursor: str | None,
    opened: list[Feed],
    wake: Callable[[], None],
) -> StageFeed:
    block = ground.plan.signing_block
    if stage.upstream:
        tape = DecisionTape(ground.store, _source(ground.plan, stage), block)
        if cursor is not None:
            tape.seek(cursor)
        return Decisions(stage.name, tape, stage.select)
    merge = open_feed(ground.config) if opened else ground.feed
    feed = ground.intake.feed(stage.name, merge, wake)
    opened.append(feed)
    if cursor is not None:
        feed.seek(cursor)
    return Observations(stage.name, feed, stage.listens, stage.key, stage.select, block=block)


def _source(plan: RunPlan, stage: StagePlan) -> DecisionSource:
    ranks = {agent.name: agent.rank for agent in plan.agents if agent.name in stage.upstream}
    return DecisionSource(plan.run, ranks, stage.listens, stage.key, columns_of(stage))
