from __future__ import annotations

import io
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from runtime.store.access import Directory
from tests.cli.conftest import Ended, Lucent, told

FILE = ("--users", "users.json")
END_SECONDS = 60


@pytest.fixture
def users(lucent: Lucent, tmp_path: Path) -> Lucent:
    """Call `lucent store users` on a file, whose passwords come from `pass`."""
    (tmp_path / "pass").write_text("open sesame\n")

    def call(command: str, *arguments: str) -> Ended:
        password = ("--password-file", "pass") if command in ("add", "password") else ()
        return lucent("store", "users", command, *arguments, *FILE, *password)

    return call


def test_users_are_managed_in_a_file(users: Lucent, tmp_path: Path) -> None:
    assert users("add", "admin").out == "admin can sign in\n"
    assert users("add", "ada", "--group", "desk", "--group", "x", "--name", "Ada L.").code == 0
    assert (tmp_path / "users.json").stat().st_mode & 0o777 == 0o600
    known = Directory.open(tmp_path / "users.json").users
    assert known.get("admin").groups == ("$admins",)
    assert (known.get("ada").groups, known.get("ada").name) == (("desk", "x"), "Ada L.")
    assert known.get("ada").verifier.verifies("open sesame")
    (tmp_path / "pass").write_bytes(b"another\r\nline")
    assert users("password", "ada").code == 0
    assert users("disable", "ada").out == "ada cannot sign in\n"
    assert "disabled" in users("list").out
    changed = Directory.open(tmp_path / "users.json").users.get("ada")
    assert changed.verifier.verifies("another")
    assert changed.disabled
    assert users("enable", "ada").code == 0
    listed = users("list").out
    assert "disabled" not in listed
    assert "scrypt" not in listed
    assert users("remove", "ada").code == 0
    assert [one.login for one in Directory.open(tmp_path / "users.json").users] == ["admin"]


def test_a_password_comes_from_standard_input(
    lucent: Lucent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"from a pipe\nmore\n")))
    assert lucent("store", "users", "add", "ada", *FILE, "--password-file", "-").code == 0
    known = Directory.open(tmp_path / "users.json").users
    assert known.get("ada").verifier.verifies("from a pipe")


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        ("add", ("there",), ["'there' exists already"]),
        ("add", ("a:b",), ["'a:b' cannot be a login"]),
        ("add", ("new", "--group", ""), ["'new' has the name or group ''"]),
        ("password", ("nope",), ["no user 'nope'", "lucent store users list"]),
        ("remove", ("nope",), ["no user 'nope'"]),
        ("enable", ("nope",), ["no user 'nope'"]),
        ("disable", ("nope",), ["no user 'nope'"]),
    ],
)
def test_mistakes_with_users(
    users: Lucent, tmp_path: Path, command: str, arguments: tuple[str, ...], words: list[str]
) -> None:
    users("add", "there")
    before = (tmp_path / "users.json").read_bytes()
    line = told(users(command, *arguments))
    assert all(word in line for word in words), line
    assert (tmp_path / "users.json").read_bytes() == before


@pytest.mark.parametrize(
    ("password", "word"),
    [(b"", "1 to 1024 bytes"), (b"\xff\n", "UTF-8"), (b"x" * 5000, "1 to 1024"), (None, "read")],
)
def test_passwords_that_cannot_be(
    users: Lucent, tmp_path: Path, password: bytes | None, word: str
) -> None:
    (tmp_path / "pass").unlink()
    if password is not None:
        (tmp_path / "pass").write_bytes(password)
    assert word in told(users("add", "ada"))
    assert not (tmp_path / "users.json").exists()


def test_a_password_is_asked_for_twice_at_a_terminal(tmp_path: Path) -> None:
    """The command runs at a terminal of its own, at which its prompts are answered."""
    command = [sys.executable, "-m", "runtime.cli", "store", "users", "add", "ada", *FILE]
    spawn = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"
    process = subprocess.Popen(
        [sys.executable, "-c", spawn, *command],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    watchdog = threading.Timer(END_SECONDS, process.kill)
    watchdog.start()
    told = b""
    for count in (1, 2):
        while told.count(b": ") < count:
            told += process.stdout.read(1) or pytest.fail(f"no prompt: {told!r}")
        process.stdin.write(b"open sesame\n")
        process.stdin.flush()
    told += process.communicate()[0]
    watchdog.cancel()
    assert process.returncode == 0, told
    assert b"open sesame" not in told
    known = Directory.open(tmp_path / "users.json").users
    assert known.get("ada").verifier.verifies("open sesame")


def test_a_password_is_not_asked_for_without_a_terminal(
    lucent: Lucent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert "--password-file" in told(lucent("store", "users", "add", "ada", *FILE))


@pytest.mark.parametrize("command", ["list", "remove", "enable", "disable"])
def test_a_file_of_users_that_is_none(users: Lucent, tmp_path: Path, command: str) -> None:
    arguments = () if command == "list" else ("ada",)
    assert "lucent store users add" in told(users(command, *arguments))
    (tmp_path / "users.json").write_text("{}")
    (tmp_path / "users.json").chmod(0o600)
    assert "malformed" in told(users(command, *arguments))
