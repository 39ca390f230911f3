"""How a run stands: as tables for people, as JSON for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from runtime.cli.screen import output, plain, printable, room, say, shortened, table
from runtime.engine.credit import CreditStats
from runtime.engine.statistics import PERCENTILES, BatchSizes, HostStats, StageStats, UpgradeStats
from runtime.engine.supervisor import NEVER
from runtime.jobs.control import Status

MOST_HOSTS = 16
"""So many hosts are listed; those that are not ready come first."""

MOST_PARKED = 5
"""So many aggregates in quarantine are named."""

_ABREAST, _STAGE_WIDTH = 3, 16
_WIDE = 200


def as_json(run: str, address: str, status: Status) -> dict[str, Any]:
    """The status in fields that keep their names and units.

    `run`, `address`, `phase`; `hosts`: a list of `host`, `slot` (-1 for a spare), `place`,
    `state`, `groups` (key groups), `work` (outstanding), `answered`; `stages`: a list of
    `stage`, `events`, `decisions`, `rate` (events a second), `latency` (seconds, by `p50`,
    `p90`, `p99`), `position` (the watermark; null once `finished`), `finished`, `credit` and
    `retained` (each `events`, `bytes`, `peak_events`, `peak_bytes`), `waiting` (due, and not
    taken in), `conflated` and `rejected` (dropped by the policies of feeds), `batches` (`count`,
    `total`, `smallest`, `largest`), `snapshots`, `again` (events given again), `parked` (how
    many aggregates are in quarantine), `lost` (key groups without a host); `quarantine`: a
    list of `stage`, `agent`, `aggregate`; `upgrade`: the last rolling one, null without: its
    `edition`, `state` (`preparing`, `switching`, `done`, `refused`), `why`, `since` (by stage);
    `notes`: what there is to be known of how the run began.
    """
    return {
        "run": run,
        "address": address,
        "phase": status.phase,
        "hosts": [asdict(host) for host in status.hosts],
        "stages": [_stage(name, stats) for name, stats in status.stages.items()],
        "quarantine": [
            {"stage": stage, "agent": who.agent, "aggregate": who.aggregate}
            for stage, parked in status.parked.items()
            for who in sorted(parked)
        ],
        "upgrade": None if status.upgrade is None else asdict(status.upgrade),
        "notes": [*status.notes],
    }


def shown(run: str, address: str, status: Status) -> RenderableType:
    """The status as it is shown to people."""
    head = Text.assemble("run ", (run, "bold"), f" on Ray at {address}: ", (status.phase, "bold"))
    parts: list[RenderableType] = [head]
    if status.hosts:
        parts.append(_hosts(status.hosts))
    stages = list(status.stages.items())
    firsts = range(0, len(stages), _ABREAST)
    parts.extend(_stages(dict(stages[first : first + _ABREAST])) for first in firsts)
    parked = sorted(who for held in status.parked.values() for who in held)
    if parked:
        named = ", ".join(f"{who.agent} {who.aggregate}" for who in parked[:MOST_PARKED])
        more = f" and {len(parked) - MOST_PARKED:,} more" if len(parked) > MOST_PARKED else ""
        parts.append(Text(f"\nIn quarantine: {printable(named)}{more}", "yellow"))
    if status.upgrade is not None:
        parts.append(Text(f"\nUpgrade {_upgrade(status.upgrade)}"))
    parts.extend(Text(f"\n{printable(note)}", "yellow") for note in status.notes)
    return Group(*parts)


def print_status(run: str, address: str, status: Status) -> None:
    """Print the status; in full where there is no terminal."""
    output.print(shown(run, address, status), width=room() or _WIDE)


def print_runs(address: str, runs: Mapping[str, Status]) -> None:
    """Print a line a run that goes on at an address."""
    if not runs:
        say(f"No run goes on on Ray at {address}.")
        return
    numbers = ("hosts", "events", "decisions", "events a second")
    made = table(f"Runs on Ray at {address}", "run", "phase", *numbers, right=numbers)
    for run, status in runs.items():
        stages = status.stages.values()
        events = max((stage.events for stage in stages), default=0)
        decisions = sum(stage.decisions for stage in stages)
        rate = max((stage.rate for stage in stages), default=0.0)
        figures = map(plain, (len(status.hosts), events, decisions, round(rate)))
        made.add_row(run, status.phase, *figures)
    output.print(made, width=room() or _WIDE)


def _stage(name: str, stats: StageStats) -> dict[str, Any]:
    finished = stats.position >= NEVER
    return {
        "stage": name,
        **asdict(stats),
        "latency": {
            f"p{share * 100:g}": seconds
            for share, seconds in zip(PERCENTILES, stats.latency, strict=True)
        },
        "position": None if finished else stats.position,
        "finished": finished,
    }


def _upgrade(stands: UpgradeStats) -> str:
    since = ", ".join(f"{stage} from position {at:,}" for stage, at in stands.since.items())
    told = since or printable(stands.why)
    return f"{stands.edition}: {stands.state}{': ' if told else ''}{told}"


def _hosts(hosts: Sequence[HostStats]) -> Table:
    states = Counter(host.state for host in hosts)
    told = ", ".join(f"{count:,} {state}" for state, count in states.most_common())
    listed = sorted(hosts, key=lambda host: (host.state == "ready", host.host))[:MOST_HOSTS]
    if len(hosts) > MOST_HOSTS:
        told += f"; {MOST_HOSTS} of them"
    numbers = ("key groups", "outstanding", "answered")
    made = table(f"Hosts: {told}", "host", "slot", "state", *numbers, "place", right=numbers)
    for host in sorted(listed, key=lambda host: host.host):
        slot = "" if host.slot < 0 else plain(host.slot)
        figures = map(plain, (host.groups, host.work, host.answered))
        made.add_row(plain(host.host), slot, host.state, *figures, plain(host.place))
    return made


_FIGURES: Mapping[str, Callable[[StageStats], str]] = {
    "events": lambda stage: plain(stage.events),
    "decisions": lambda stage: plain(stage.decisions),
    "events a second": lambda stage: f"{stage.rate:,.0f}",
    "latency p50": lambda stage: _duration(stage.latency[0]),
    "latency p90": lambda stage: _duration(stage.latency[1]),
    "latency p99": lambda stage: _duration(stage.latency[2]),
    "watermark": lambda stage: "end" if stage.position >= NEVER else plain(stage.position),
    "credit used (peak)": lambda stage: _credit(stage.credit),
    "retained (peak)": lambda stage: _credit(stage.retained),
    "due and waiting": lambda stage: plain(stage.waiting),
    "conflated": lambda stage: plain(stage.conflated),
    "rejected": lambda stage: plain(stage.rejected),
    "batch min/mean/max": lambda stage: _sizes(stage.batches),
    "snapshots": lambda stage: plain(stage.snapshots),
    "given again": lambda stage: plain(stage.again),
    "in quarantine": lambda stage: plain(stage.parked),
    "groups without host": lambda stage: plain(stage.lost),
}


def _stages(stages: Mapping[str, StageStats]) -> Table:
    names = [shortened(name, _STAGE_WIDTH) for name in stages]
    made = table("Stages", "stage")
    for name in names:
        made.add_column(name, justify="right", no_wrap=True)
    for label, figure in _FIGURES.items():
        made.add_row(label, *map(figure, stages.values()))
    return made


def _credit(stats: CreditStats) -> str:
    return f"{stats.events:,} ({stats.peak_events:,})"


def _sizes(sizes: BatchSizes) -> str:
    mean = sizes.total // sizes.count if sizes.count else 0
    return f"{sizes.smallest:,}/{mean:,}/{sizes.largest:,}"


def _duration(seconds: float) -> str:
    if not seconds:
        return ""
    return f"{seconds * 1000:.3g} ms" if seconds < 0.9995 else f"{seconds:,.3g} s"
