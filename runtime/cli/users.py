"""`lucent store users`: who may use a served store."""

from __future__ import annotations

import secrets
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from runtime.cli.screen import output, say, table
from runtime.errors import UserInvalid
from runtime.store.access import (
    LONGEST_PASSWORD,
    SALT_BYTES,
    Cost,
    Directory,
    User,
    Verifier,
    check_password,
    standard_groups,
)

users = typer.Typer(
    name="users",
    help="Who may use a served store: add, list, password, remove, enable, disable.",
    no_args_is_help=True,
)

File = Annotated[
    Path, typer.Option("--users", help="The file of users.", show_default=False, metavar="FILE")
]
Login = Annotated[str, typer.Argument(help="What the user signs in as.", show_default=False)]
PasswordFile = Annotated[
    Path | None,
    typer.Option(help="A file whose first line is the password, - for standard input."),
]


@users.command()
def add(
    login: Login,
    file: File,
    group: Annotated[
        list[str] | None,
        typer.Option(help="A group; give it once for each. For admin and ops: $admins and $ops."),
    ] = None,
    name: Annotated[str, typer.Option(help="The full name.")] = "",
    password_file: PasswordFile = None,
) -> None:
    """Add a user; the file is made, mode 0600, if it is missing.

    The password is asked for, unless it comes from --password-file.
    """
    directory = Directory.open(file, create=True)
    groups = standard_groups(login) if group is None else tuple(group)
    directory.users.check_vacant(login)
    verifier = _verifier(password_file)
    user = User(login, verifier, name, groups, updated=_now())
    directory.change(lambda known: known.added(user))
    say(f"{login} can sign in")


@users.command("list")
def list_(file: File) -> None:
    """List the users, their groups, and whether they can sign in."""
    shown = table("Users", "login", "name", "groups", "state", "changed")
    for user in Directory.open(file).users:
        changed = "" if user.updated is None else f"{user.updated:%Y-%m-%d %H:%M}"
        state = "disabled" if user.disabled else "enabled"
        shown.add_row(user.login, user.name, " ".join(user.groups), state, changed)
    output.print(shown)


@users.command()
def password(login: Login, file: File, password_file: PasswordFile = None) -> None:
    """Give a user another password."""
    directory = Directory.open(file)
    directory.users.get(login)
    verifier = _verifier(password_file)
    at = _now()
    directory.change(
        lambda known: known.changed(replace(known.get(login), verifier=verifier, updated=at))
    )
    say(f"{login} has another password")


@users.command()
def remove(login: Login, file: File) -> None:
    """Remove a user."""
    Directory.open(file).change(lambda known: known.removed(login))
    say(f"{login} is removed")


@users.command()
def enable(login: Login, file: File) -> None:
    """Let a user sign in again."""
    _switch(login, file, disabled=False)
    say(f"{login} can sign in")


@users.command()
def disable(login: Login, file: File) -> None:
    """Keep a user from signing in."""
    _switch(login, file, disabled=True)
    say(f"{login} cannot sign in")


def _switch(login: str, file: Path, *, disabled: bool) -> None:
    at = _now()
    Directory.open(file).change(
        lambda known: known.changed(replace(known.get(login), disabled=disabled, updated=at))
    )


def _verifier(file: Path | None) -> Verifier:
    text = check_password(_asked() if file is None else _read(file))
    return Verifier.of(text, secrets.token_bytes(SALT_BYTES), Cost())


def _asked() -> str:
    if not sys.stdin.isatty():
        raise UserInvalid("there is no terminal to ask for the password: give --password-file")
    answer: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return answer


def _read(file: Path) -> str:
    """The first line of the file, as UTF-8."""
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as opened:
            return opened.readline(2 * LONGEST_PASSWORD).rstrip(b"\r\n").decode()
    except OSError as error:
        raise UserInvalid(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserInvalid(f"{file} holds no text: write the password as UTF-8") from None


def _now() -> datetime:
    return datetime.now(UTC)
