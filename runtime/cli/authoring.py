"""`lucent strategies`, `lucent agents`, `lucent new`, `lucent schemas`: what authors ask."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.padding import Padding
from rich.table import Table

from runtime.cli.screen import output, plain, say, write_line
from runtime.cli.template import check_free, strategy_files
from runtime.deciding import Strategy
from runtime.errors import ConfigError
from runtime.events import json_schemas
from runtime.jobs.registry import AGENTS, STRATEGIES, find_agent, find_strategy, registered

new = typer.Typer(name="new", help="Start something of your own.", no_args_is_help=True)


def strategies() -> None:
    """List the strategies there are, with their parameters."""
    for name in registered(STRATEGIES):
        kind = find_strategy(name)[1]
        parameters = kind.Parameters.model_fields.items()
        facts = {
            "reads": ", ".join(kind.inputs),
            "decides": ", ".join(kind.emits),
            "parameters": ", ".join(f"{key} = {plain(f.default)}" for key, f in parameters),
        }
        _describe(name, f"version {kind.version}", _first_sentence(kind), facts)


def agents() -> None:
    """List the agents there are: what they listen to, by which key, with which strategy."""
    for name in registered(AGENTS):
        agent = find_agent(name)
        facts = {"listens to": ", ".join(agent.listens), "by": agent.key}
        _describe(agent.name, agent.strategy, agent.description, facts)


def _describe(name: str, kind: str, what: str, facts: Mapping[str, str]) -> None:
    """Print a name, what it is, and facts under each other, indented."""
    say((name, "bold"), f"  {kind}")
    output.print(Padding(what, (0, 0, 0, 2)))
    shown = Table.grid(padding=(0, 2))
    shown.add_column(no_wrap=True, style="dim")
    shown.add_column()
    for fact, value in facts.items():
        shown.add_row(fact, value)
    output.print(Padding(shown, (0, 0, 1, 2)))


def schemas(
    out: Annotated[Path | None, typer.Option(help="A directory: one file an event type.")] = None,
) -> None:
    """Export the JSON Schema of every event type's data."""
    found = json_schemas()
    if out is None:
        write_line(json.dumps(found, indent=2))
        return
    for name, schema in found.items():
        _write(out / f"{name}.schema.json", json.dumps(schema, indent=2) + "\n")
    say(f"{len(found)} schemas in {out}")


@new.callback()
def start() -> None:
    """Start something of your own."""


@new.command()
def strategy(
    name: Annotated[str, typer.Argument(help="As in my-strategy: lower case, digits, dashes.")],
    directory: Annotated[Path, typer.Option("--in", help="Where to write it.")] = Path(),
) -> None:
    """Write a strategy, its test and a config that runs it on bundled data."""
    files = {directory / path: text for path, text in strategy_files(name).items()}
    present = [path for path in files if path.exists()]
    if present:
        raise ConfigError(f"{present[0]} exists already: choose another name, or remove it")
    check_free(name)
    for path, text in files.items():
        _write(path, text)
        say(f"wrote {path}")
    test, config = list(files)[1:]
    say("\nTry it with")
    if find_spec("pytest") is None:
        say("  python -m pip install pytest")
    say(f"  python -m pytest {test}")
    say(f"  lucent run {config}")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None


def _first_sentence(kind: type[Strategy[object]]) -> str:
    return " ".join((kind.__doc__ or "").strip().partition("\n\n")[0].split())
