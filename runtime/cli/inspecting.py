"""`lucent decisions`, `lucent explain` and `lucent verify`: what an auditor asks."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from rich.progress import Progress

from runtime.cli.explained import print_explanation
from runtime.cli.exports import write_lines, write_parquet
from runtime.cli.listing import print_listing
from runtime.cli.screen import errors, plain, room, say, write_line
from runtime.errors import ConfigError, UnknownName
from runtime.events import parse_time
from runtime.jobs.explanation import explain as explain_event
from runtime.jobs.journal import started_runs
from runtime.jobs.records import Query, record
from runtime.jobs.verification import Verdict, verify_store
from runtime.store import EventStore, open_store, shown

MOST_NAMED = 20
"""Streams that are named of those whose events are hidden or were scavenged."""

StorePath = Annotated[
    str, typer.Argument(help="The store: a file a run wrote to, or the esdb:// address of one.")
]


def decisions(  # noqa: PLR0913, PLR0917 (the options of a command)
    store: StorePath,
    agent: Annotated[str | None, typer.Option(help="Only of this agent.")] = None,
    aggregate: Annotated[str | None, typer.Option(help="Only on this aggregate.")] = None,
    action: Annotated[str | None, typer.Option(help="Only with this action.")] = None,
    since: Annotated[str | None, typer.Option(help="From this time on (RFC 3339).")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time (RFC 3339).")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, max=sys.maxsize, help="At most so many.")
    ] = None,
    format: Annotated[  # noqa: A002 (the option's name)
        Literal["table", "jsonl", "parquet"], typer.Option(help="jsonl: one envelope a line.")
    ] = "table",
    out: Annotated[
        Path | None, typer.Option(help="Write to this new file (jsonl, parquet).")
    ] = None,
) -> None:
    """List decisions, in the order of the log.

    A table leaves out what a narrow terminal has no room for; jsonl and parquet have all.
    """
    if format == "table" and out is not None:
        raise ConfigError("--out needs --format jsonl or parquet")
    if format == "parquet" and out is None:
        raise ConfigError("--format parquet needs --out FILE")
    query = Query(agent, aggregate, action, *_period(since, until))
    with closing(open_store(store)) as opened:
        _check_agent(opened, store, agent)
        events = islice(query.events(opened), limit)
        if format == "table":
            count = print_listing(map(record, events), room())
            say(f"{count:,} decision{'' if count == 1 else 's'}")
        elif format == "jsonl":
            write_lines(events, out, Path(store))
        elif out is not None:
            write_parquet(events, out, Path(store))


def explain(
    event_id: Annotated[str, typer.Argument(help="The id of a decision.")],
    store: Annotated[str, typer.Option(help="The store that holds it.")],
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,  # noqa: FBT002
) -> None:
    """Tell why a decision was made, from what, and whether its proof holds."""
    explained = explain_event(store, event_id)
    if json_:
        write_line(json.dumps(msgspec.to_builtins(explained), indent=2, default=str))
    else:
        print_explanation(explained)
    if explained.damages:
        raise typer.Exit(1)


def verify(
    store: StorePath,
    trust: Annotated[
        Path | None, typer.Option(help="JSON of did:key by agent ('lucent keys export').")
    ] = None,
    root: Annotated[str | None, typer.Option(help="A root that a run printed earlier.")] = None,
) -> None:
    """Check all signatures, chains and recorded roots; exit code 1 and the place if one fails."""
    if root is not None and not re.fullmatch("[0-9a-f]{64}", root):
        raise ConfigError(f"--root: {root!r} is not a root: 64 hex digits, as a run prints it")
    trusted = None if trust is None else _trusted(trust)
    with Progress(console=errors, disable=not errors.is_terminal, transient=True) as progress:
        task = progress.add_task("verifying streams", total=None)
        verdict = verify_store(
            store,
            trust=trusted,
            root=root,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    _print_verdict(verdict)
    if verdict.damages:
        raise typer.Exit(1)


def _print_verdict(verdict: Verdict) -> None:
    for damage in verdict.damages:
        say(("damaged", "red"), f" {plain(damage)}")
    if verdict.damages:
        count = len(verdict.damages)
        say(f"{count:,} damage{'' if count == 1 else 's'} in {verdict.streams:,} streams")
        return
    say(
        ("sound", "green"),
        f": {verdict.events:,} events in {verdict.streams:,} streams,"
        " every signature and chain holds",
    )
    _print_counts(verdict.hidden, "are hidden by a deletion or metadata, and hold")
    _print_counts(verdict.scavenged, "were scavenged; their digests hold the chain")
    if verdict.others:
        count, named = len(verdict.others), ", ".join(map(plain, verdict.others[:MOST_NAMED]))
        more = " and others" if count > MOST_NAMED else ""
        say(f"not checked, as no run writes them: {count:,} streams ({named}{more})")
    for run, root in sorted(verdict.roots.items()):
        say(f"run {run}: root {root}")
        if run in verdict.unfinished:
            say(f"run {run} is not complete: {verdict.unfinished[run]}")
    for stream, edited in islice(verdict.edited, MOST_NAMED):
        what = f"agent {plain(edited.agent)} went on with another file of its strategy"
        say(f"{plain(stream)} {edited.revision}: {what}, under the same version")
    if len(verdict.edited) > MOST_NAMED:
        say(f"and so {len(verdict.edited) - MOST_NAMED:,} times more")
    if not verdict.pinned:
        say("Keys were taken from the log itself; pin them with --trust to know its author.")


def _print_counts(counts: Mapping[str, int], what: str) -> None:
    for stream, count in islice(sorted(counts.items()), MOST_NAMED):
        say(f"{plain(stream)}: {count:,} event{'' if count == 1 else 's'} {what}")
    if len(counts) > MOST_NAMED:
        say(f"and so of {len(counts) - MOST_NAMED:,} more streams")


def _trusted(path: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ConfigError(
            f"{path} is not JSON of did:key by agent: make it with 'lucent keys export'"
        ) from None


def _period(since: str | None, until: str | None) -> tuple[int | None, int | None]:
    begin, end = _time("since", since), _time("until", until)
    if begin is not None and end is not None and begin >= end:
        raise ConfigError(f"--until {until} is not after --since {since}: no time lies between")
    return begin, end


def _time(option: str, text: str | None) -> int | None:
    try:
        return None if text is None else parse_time(text)
    except ValueError as error:
        raise ConfigError(
            f"--{option}: {error}; write 2025-07-22 or 2025-07-22T10:30:00Z"
        ) from None


def _check_agent(store: EventStore, path: str, agent: str | None) -> None:
    known = {one["name"] for started in started_runs(store) for one in started.agents}
    if agent is not None and known and agent not in known:
        raise UnknownName(f"agent in {shown(path)}:", agent, known)
