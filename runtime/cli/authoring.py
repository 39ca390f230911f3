"""`lucent strategies`, `lucent agents`, `lucent new`, `lucent schemas`: what authors ask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from runtime.cli.screen import output, plain, table
from runtime.cli.template import strategy_files
from runtime.deciding import Strategy
from runtime.errors import ConfigError
from runtime.events import json_schemas
from runtime.jobs.registry import AGENTS, STRATEGIES, find_agent, find_strategy, registered

new = typer.Typer(name="new", help="Start something of your own.", no_args_is_help=True)


def strategies() -> None:
    """List the strategies there are, with their parameters."""
    shown = table("Strategies", "name", "version", "reads", "decides", "parameters", "what")
    for name in registered(STRATEGIES):
        kind = find_strategy(name)[1]
        shown.add_row(
            name,
            kind.version,
            ", ".join(kind.inputs),
            ", ".join(kind.emits),
            "\n".join(
                f"{key} = {plain(field.default)}"
                for key, field in kind.Parameters.model_fields.items()
            ),
            _first_sentence(kind),
        )
    output.print(shown)


def agents() -> None:
    """List the agents there are: what they listen to, by which key, with which strategy."""
    shown = table("Agents", "name", "strategy", "listens to", "by", "what")
    for name in registered(AGENTS):
        agent = find_agent(name)
        listens = ", ".join(agent.listens)
        shown.add_row(agent.name, agent.strategy, listens, agent.key, agent.description)
    output.print(shown)


def schemas(
    out: Annotated[Path | None, typer.Option(help="A directory: one file an event type.")] = None,
) -> None:
    """Export the JSON Schema of every event type's data."""
    found = json_schemas()
    if out is None:
        output.print(json.dumps(found, indent=2), soft_wrap=True, markup=False)
        return
    for name, schema in found.items():
        _write(out / f"{name}.schema.json", json.dumps(schema, indent=2) + "\n")
    output.print(f"{len(found)} schemas in {out}")


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
    for path, text in files.items():
        _write(path, text)
        output.print(f"wrote {path}", soft_wrap=True)
    test, config = list(files)[1:]
    output.print("\nTry it with")
    output.print(f"  python -m pytest {test}", soft_wrap=True)
    output.print(f"  lucent run {config}", soft_wrap=True)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None


def _first_sentence(kind: type[Strategy[object]]) -> str:
    return (kind.__doc__ or "").strip().partition("\n\n")[0].replace("\n    ", " ")
