"""`lucent decisions`, `lucent explain` and `lucent verify`: what an auditor asks."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pyarrow.parquet as pq
import typer
from rich.progress import Progress

from runtime.cli.explained import print_explanation
from runtime.cli.screen import errors, output, plain, table
from runtime.errors import ConfigError
from runtime.events import RecordedEvent, envelope, parse_time, time_text
from runtime.jobs.explanation import explain as explain_event
from runtime.jobs.records import SCHEMA, Query, record
from runtime.jobs.records import table as records_table
from runtime.jobs.verification import Verdict, verify_store
from runtime.store import SqliteStore

StorePath = Annotated[Path, typer.Argument(help="The store: a file a run wrote to.")]
_PAGE = 10_000


def decisions(  # noqa: PLR0913, PLR0917 (the options of a command)
    store: StorePath,
    agent: Annotated[str | None, typer.Option(help="Only of this agent.")] = None,
    aggregate: Annotated[str | None, typer.Option(help="Only on this aggregate.")] = None,
    action: Annotated[str | None, typer.Option(help="Only with this action.")] = None,
    since: Annotated[str | None, typer.Option(help="From this time on (RFC 3339).")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time (RFC 3339).")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    format: Annotated[  # noqa: A002 (the option's name)
        Literal["table", "jsonl", "parquet"], typer.Option(help="jsonl: one envelope a line.")
    ] = "table",
    out: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
) -> None:
    """List decisions, in the order of the log."""
    query = Query(agent, aggregate, action, _time("since", since), _time("until", until))
    with SqliteStore.open(store, writer=False) as opened:
        events = islice(query.events(opened), limit)
        {"table": _as_table, "jsonl": _as_lines, "parquet": _as_parquet}[format](events, out)


def explain(
    event_id: Annotated[str, typer.Argument(help="The id of a decision.")],
    store: Annotated[Path, typer.Option(help="The store that holds it.")],
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,  # noqa: FBT002
) -> None:
    """Tell why a decision was made, from what, and whether its proof holds."""
    explained = explain_event(store, event_id)
    if json_:
        _print_json(msgspec.to_builtins(explained))
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
    with Progress(console=errors, disable=not errors.is_terminal) as progress:
        task = progress.add_task("verifying streams", total=None)
        verdict = verify_store(
            store,
            trust=None if trust is None else _trusted(trust),
            root=root,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    _print_verdict(verdict)
    if verdict.damages:
        raise typer.Exit(1)


def _print_verdict(verdict: Verdict) -> None:
    for damage in verdict.damages:
        output.print(f"[red]damaged[/red] {damage}", soft_wrap=True)
    if verdict.damages:
        output.print(f"{len(verdict.damages)} of {verdict.streams:,} streams are damaged")
        return
    output.print(
        f"[green]sound[/green]: {verdict.events:,} events in {verdict.streams:,} streams, every"
        " signature and chain holds"
    )
    for run, root in sorted(verdict.roots.items()):
        output.print(f"run {run}: root {root}", soft_wrap=True)
    if not verdict.pinned:
        output.print(
            "Keys were taken from the log itself; pin them with --trust to know its author."
        )


def _trusted(path: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path} is not a JSON object of did:key by agent: {error}") from None


def _time(option: str, text: str | None) -> int | None:
    try:
        return None if text is None else parse_time(text)
    except ValueError as error:
        raise ConfigError(
            f"--{option}: {error}; write 2025-07-22 or 2025-07-22T10:30:00Z"
        ) from None


def _as_table(events: Any, out: Path | None) -> None:
    if out is not None:
        raise ConfigError("--out needs --format jsonl or parquet")
    columns = (
        "time",
        "agent",
        "aggregate",
        "action",
        "yield %",
        "confidence",
        "reason",
        "event id",
    )
    shown = table("", *columns, right=("yield %", "confidence"))
    for event in events:
        row = record(event)
        numbers = (plain(row["yield"]), plain(row["confidence"]))
        when = time_text(row["time"])[:16]
        texts = (row["agent"], row["aggregate"], row["action"])
        shown.add_row(when, *texts, *numbers, row["reason"], row["event_id"])
    output.print(shown)
    output.print(f"{shown.row_count:,} decisions")


def _as_lines(events: Any, out: Path | None) -> None:
    if out is None:
        for event in events:
            output.print(_line(event), soft_wrap=True, markup=False)
        return
    with _create(out) as file:
        file.writelines(_line(event).encode() + b"\n" for event in events)


def _as_parquet(events: Any, out: Path | None) -> None:
    if out is None:
        raise ConfigError("--format parquet needs --out FILE")
    with _create(out) as file, pq.ParquetWriter(file, SCHEMA) as writer:
        while page := [record(event) for event in islice(events, _PAGE)]:
            writer.write_table(records_table(page))


def _create(path: Path) -> Any:
    try:
        return path.open("wb")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None


def _line(event: RecordedEvent) -> str:
    return msgspec.json.encode(envelope(event)).decode()


def _print_json(value: Any) -> None:
    output.print(json.dumps(value, indent=2, default=str), soft_wrap=True, markup=False)
