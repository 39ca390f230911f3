"""`lucent keys`: create, show, export the public part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from runtime.cli.screen import output, say, table, write_line
from runtime.errors import ConfigError
from runtime.identity import Keyring, VerifyingKey, read_passphrase
from runtime.jobs.config import load_config
from runtime.jobs.launch import JOURNAL_KEY
from runtime.jobs.planning import appoint

keys = typer.Typer(name="keys", help="Keys of agents: create, show, export.", no_args_is_help=True)

Directory = Annotated[Path, typer.Option("--keys", help="The directory of the keys.")]
Passphrase = Annotated[
    Path | None, typer.Option(help="File with the passphrase, instead of LUCENT_PASSPHRASE.")
]


@keys.command()
def create(
    names: Annotated[list[str] | None, typer.Argument(help="One key each.")] = None,
    config: Annotated[
        Path | None, typer.Option("--for", help="All keys that this config needs and lacks.")
    ] = None,
    directory: Directory = Path("keys"),
    passphrase_file: Passphrase = None,
) -> None:
    """Create keys: encrypted PKCS#8 PEM files, mode 0600."""
    wanted = list(names or [])
    if config is not None:
        loaded = load_config(config)
        directory = loaded.base / loaded.keys.directory
        needed = [*(one.agent.name for one in appoint(loaded)), JOURNAL_KEY]
        present = set(Keyring(directory).names())
        wanted += [name for name in needed if name not in present]
    elif not wanted:
        raise ConfigError("name the keys to create, or a config with --for")
    ring = Keyring(directory)
    passphrase = read_passphrase(passphrase_file)
    for name in wanted:
        say(f"{name} {ring.create(name, passphrase).did}")
    if not wanted:
        say(f"{directory} holds all keys of {config} already")


@keys.command()
def show(
    name: Annotated[str | None, typer.Argument(help="A key; all without it.")] = None,
    directory: Directory = Path("keys"),
) -> None:
    """Show the did:key of a key, or of all; needs no passphrase."""
    shown = table("Keys", "name", "did:key")
    for key, public in _public(directory, name).items():
        shown.add_row(key, public.did)
    output.print(shown)


@keys.command()
def export(
    name: Annotated[str | None, typer.Argument(help="A key; all without it.")] = None,
    directory: Directory = Path("keys"),
    pem: Annotated[bool, typer.Option("--pem", help="As PEM, for one key.")] = False,  # noqa: FBT002
) -> None:
    """Export public parts: JSON for 'lucent verify --trust', or PEM."""
    if pem and name is None:
        raise ConfigError("--pem needs the name of a key")
    public = _public(directory, name)
    if pem and name is not None:
        write_line(public[name].pem.rstrip("\n"))
        return
    known = {key: one.did for key, one in public.items()}
    write_line(json.dumps(known, indent=2))


def _public(directory: Path, name: str | None) -> dict[str, VerifyingKey]:
    ring = Keyring(directory)
    names = ring.names() if name is None else [name]
    if not names:
        raise ConfigError(f"no keys in {directory}: make one with 'lucent keys create NAME'")
    return {one: ring.public(one) for one in names}
