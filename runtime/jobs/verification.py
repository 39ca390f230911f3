"""Verifying a whole store: every signature, every chain, every root a run recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import filterfalse
from pathlib import Path

from pydantic import ValidationError

from runtime.errors import KeyInvalid, MetadataInvalid, StoreDamaged, StreamDeleted, StreamNotFound
from runtime.events import (
    GENESIS,
    Entry,
    RecordedEvent,
    RunCompleted,
    RunPaused,
    RunResumed,
    RunStarted,
    kind_of,
    run_stream,
    split_decision_stream,
    split_metadata,
)
from runtime.identity import Damage, StreamCheck, Trust, run_root
from runtime.jobs.code import Edited, edits
from runtime.jobs.journal import started_runs
from runtime.store import BOOKS, TOMBSTONE, TOMBSTONE_TYPE, EventStore, Filter, open_store

THREADS = 8
"""Streams checked at the same time: checking a signature needs no interpreter lock."""


_WHY = {
    RunPaused.__name__: "it was stopped, or left aggregates in quarantine",
    RunStarted.__name__: "it goes on, or was interrupted",
    RunResumed.__name__: "it goes on, or was interrupted",
}
_STEPS = Filter(["system-"], [*_WHY, RunCompleted.__name__])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found: how much was checked, and each stream's first damage.

    `roots` maps each run to the root its decision streams have now, `unfinished` those that are
    not complete to why; `pinned` says that the keys were given by the caller, and not taken from
    the log. By stream, `hidden` counts the
    events that were checked, but that readers are not shown (a deletion, metadata), and
    `scavenged` those that were removed for good: only their digest was there to be checked.
    `edited` says in which streams of runs agents went on with another file.
    `others` are streams that no run writes, whose events nobody signed: they were not checked.
    """

    events: int
    streams: int
    damages: tuple[Damage, ...]
    roots: Mapping[str, str]
    pinned: bool
    hidden: Mapping[str, int]
    scavenged: Mapping[str, int]
    others: tuple[str, ...] = ()
    unfinished: Mapping[str, str] = field(default_factory=dict)
    edited: tuple[tuple[str, Edited], ...] = ()


@dataclass(frozen=True, slots=True)
class _Mark:
    """A root that a run recorded: where, what, and over whose streams."""

    stream: str
    revision: int
    position: int
    root: str
    decisions: int
    agents: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Checked:
    """A stream that was checked: its length and digest at each mark, and at its end.

    `hidden` of its events are not shown, `scavenged` were removed for good.
    """

    stream: str
    at_marks: tuple[tuple[int, str], ...]
    length: int
    digest: str
    damage: Damage | None
    hidden: int = 0
    scavenged: int = 0

    @property
    def agent(self) -> str:
        """The agent that decides in it, "" if it is no decision stream."""
        with suppress(ValueError):
            return split_decision_stream(self.stream)[0]
        return ""


def verify_store(
    path: str | Path,
    *,
    trust: Mapping[str, str] | None = None,
    root: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Verdict:
    """Check a store with public keys only; raises `StoreError` leaves.

    `trust` maps each agent, and `supervisor` for the runs' own streams, to its did:key;
    without it the keys that the log itself names are used, which finds any damage but not
    a log that was written anew by someone else. `root` is one that a run printed earlier:
    if the log never had it, it was truncated or rewritten. `progress` is told how many
    streams are done, and of how many.
    """
    with closing(open_store(path)) as store:
        started = started_runs(store)
        there = list(filterfalse(_is_unsigned, store.streams()))
        others = tuple(name for name in there if _is_of_others(store, name))
        names = sorted({*there} - {*others}, key=lambda name: (not _is_system(name), str(name)))
        trusted, marks = _trust(started, names, trust), _marks(store, started)
        unfinished, edited = _unfinished(store, started), tuple(_edited(store, started))
        checked: list[_Checked] = []
        with ThreadPoolExecutor(THREADS) as pool:
            for one in pool.map(lambda name: _check(store, name, trusted, marks), names):
                checked.append(one)
                progress(len(checked), len(names))
    damages = [one.damage for one in checked if one.damage is not None]
    roots = {run.run: _root_now(checked, _agents(run)) for run in started}
    damages += _check_marks(checked, marks)
    if root is not None and not damages:
        damages += _check_root(root, marks, roots)
    hidden = {one.stream: one.hidden for one in checked if one.hidden}
    gone = {one.stream: one.scavenged for one in checked if one.scavenged}
    events = sum(one.length - one.scavenged for one in checked)
    counts, pinned = (events, len(names), tuple(damages)), trust is not None
    return Verdict(*counts, roots, pinned, hidden, gone, others, unfinished, edited)


def _trust(
    started: Sequence[RunStarted], names: Sequence[str], given: Mapping[str, str] | None
) -> Trust:
    claims = list(reversed(started))  # the first to claim a name keeps it
    ids = {agent["name"]: run.run_id for run in claims for agent in run.agents}
    ids |= {run_stream(run.run): run.run_id for run in claims}
    if given is None:
        agents = {agent["name"]: agent["did"] for run in claims for agent in run.agents}
        return Trust(agents, {run_stream(run.run): run.author for run in claims}, ids)
    missing = sorted(
        {"supervisor", *(name for run in started for name in _agents(run))} - set(given)
    )
    if missing:
        raise KeyInvalid(f"no trusted key was given for {', '.join(missing)}")
    return Trust(given, dict.fromkeys(filter(_is_system, names), given["supervisor"]), ids)


def _is_system(name: object) -> bool:
    return isinstance(name, str) and kind_of(name) == "system"


def _is_unsigned(name: object) -> bool:
    """Whether a stream is one of the store's own: metadata, links, the books of served runs."""
    return isinstance(name, str) and name.startswith(("$", BOOKS))


def _is_of_others(store: EventStore, name: object) -> bool:
    """Whether no run wrote a stream: it is not named like one of a run, and not signed."""
    if not isinstance(name, str) or kind_of(name) in ("agent", "system"):
        return False
    first = next(iter(store.entries(name, limit=1)), None)
    try:
        return not isinstance(first, RecordedEvent) or not split_metadata(first.metadata)
    except MetadataInvalid:
        return True


def _agents(run: RunStarted) -> frozenset[str]:
    return frozenset(agent["name"] for agent in run.agents)


def _marks(store: EventStore, started: Sequence[RunStarted]) -> list[_Mark]:
    agents = {run_stream(run.run): _agents(run) for run in started}
    only = Filter(["system-"], [RunPaused.__name__, RunCompleted.__name__])
    marks = []
    for event in store.read_all(only=only):
        with suppress(ValidationError):
            body = RunPaused.model_validate_json(event.data)
            place = (event.stream, event.revision, event.position)
            of = agents.get(event.stream, frozenset())
            marks.append(_Mark(*place, body.root, body.decisions, of))
    return marks


def _check(store: EventStore, name: object, trust: Trust, marks: Sequence[_Mark]) -> _Checked:
    if not isinstance(name, str):
        nameless = Damage(repr(name), -1, -1, "form", "its name is not text")
        return _unread(repr(name), nameless, marks)
    try:
        entries = store.entries(name)
    except (StoreDamaged, StreamDeleted, StreamNotFound) as error:
        return _unread(name, Damage(name, -1, -1, "gap", str(error)), marks)
    check = StreamCheck(name, trust)
    at_marks: list[tuple[int, str]] = []
    damage = None
    for entry in entries:
        if _is_tombstone(entry):
            break
        while len(at_marks) < len(marks) and marks[len(at_marks)].position < entry.position:
            at_marks.append((check.revision + 1, check.digest))
        damage = check.check(entry)
        if damage is not None:
            break
    else:
        damage = None if check.ends else _beheaded(name, check)
    at_marks += [(check.revision + 1, check.digest)] * (len(marks) - len(at_marks))
    length, gone = check.revision + 1, check.scavenged
    hidden = 0 if damage else _hidden(store, name, length - gone, gone)
    return _Checked(name, tuple(at_marks), length, check.digest, damage, hidden, gone)


def _unread(name: str, damage: Damage, marks: Sequence[_Mark]) -> _Checked:
    return _Checked(name, ((0, GENESIS),) * len(marks), 0, GENESIS, damage)


def _is_tombstone(entry: Entry) -> bool:
    ends = entry.revision == TOMBSTONE
    return ends and isinstance(entry, RecordedEvent) and entry.type == TOMBSTONE_TYPE


def _hidden(store: EventStore, name: str, events: int, scavenged: int) -> int:
    """How many of the events of a stream readers are not shown; all that is hidden comes first."""
    try:
        first = next(iter(store.read_stream(name, limit=1)), None)
    except (StreamDeleted, StreamNotFound):
        return events
    return events if first is None else max(0, first.revision - scavenged)


def _beheaded(name: str, check: StreamCheck) -> Damage:
    found = f"it ends with event {check.revision}, which was removed: no scavenge removes the last"
    return Damage(name, -1, -1, "gap", found)


def _unfinished(store: EventStore, runs: Sequence[RunStarted]) -> dict[str, str]:
    """Runs that are not complete, and why; as the log tells it, hidden events too."""
    last = {event.stream: event.type for event in store.read_all(only=_STEPS)}
    names = {run.run: last.get(run_stream(run.run), "") for run in runs}
    return {run: _WHY[last] for run, last in sorted(names.items()) if last in _WHY}


def _edited(store: EventStore, runs: Sequence[RunStarted]) -> Iterator[tuple[str, Edited]]:
    for name in sorted({run_stream(run.run) for run in runs}):
        with suppress(StoreDamaged, StreamDeleted, StreamNotFound):
            own = (event for event in store.entries(name) if isinstance(event, RecordedEvent))
            yield from ((name, one) for one in edits(own))


def _root_now(checked: Sequence[_Checked], agents: frozenset[str]) -> str:
    return run_root({o.stream: o.digest for o in checked if o.agent in agents and o.length})


def _check_marks(checked: Sequence[_Checked], marks: Sequence[_Mark]) -> list[Damage]:
    """The roots that do not hold, of runs in whose streams no other damage was found."""
    damages = []
    for number, mark in enumerate(marks):
        concerned = [o for o in checked if o.agent in mark.agents or o.stream == mark.stream]
        if any(one.damage for one in concerned):
            continue
        heads = {
            one.stream: one.at_marks[number]
            for one in concerned
            if one.agent and one.at_marks[number][0]
        }
        if run_root({stream: digest for stream, (_, digest) in heads.items()}) == mark.root:
            continue
        found = sum(length for length, _ in heads.values())
        detail = f"it recorded root {mark.root} over {mark.decisions} decisions; the log holds"
        detail += f" {found} with another root: events at the end of streams are missing or changed"
        damages.append(Damage(mark.stream, mark.revision, mark.position, "root", detail))
    return damages


def _check_root(root: str, marks: Sequence[_Mark], roots: Mapping[str, str]) -> list[Damage]:
    if root in roots.values() or any(mark.root == root for mark in marks):
        return []
    detail = f"the log never had root {root}: it was truncated or rewritten since"
    return [Damage("the log", -1, -1, "root", detail)]
