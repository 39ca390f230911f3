from __future__ import annotations

import fcntl
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Lucent, told
from tests.cli.samples import write_config, write_tape

NOBODY = 65534


def edit(store: Path, statement: str) -> None:
    with closing(sqlite3.connect(store)) as connection:
        connection.execute(statement)
        connection.commit()


@pytest.fixture
def store(lucent: Lucent, small: Path) -> Path:
    """The store of a finished small run."""
    assert lucent("run", small.name).code == 0
    return small.parent / "small.db"


def commands(store: Path) -> list[list[str]]:
    return [
        ["run", "small.toml"],
        ["decisions", store.name],
        ["verify", store.name],
        ["explain", "8a7e4b3c-5c1a-5c0b-8b57-96e2b8a8f9d5", "--store", store.name],
    ]


@pytest.mark.parametrize("command", range(4))
@pytest.mark.parametrize(
    ("length", "words"), [(0.5, ["small.db is damaged"]), (0.0, ["is damaged", "not a database"])]
)
def test_a_damaged_file_ends_every_command_with_1(
    lucent: Lucent, store: Path, command: int, length: float, words: list[str]
) -> None:
    whole = store.read_bytes()
    store.write_bytes(whole[: int(len(whole) * length)] or b"no store" * 1000)
    line = told(lucent(*commands(store)[command]), 1)
    assert all(word in line for word in words), line


@pytest.mark.parametrize("command", range(4))
def test_a_store_of_a_newer_lucent(lucent: Lucent, store: Path, command: int) -> None:
    edit(store, "PRAGMA user_version = 99")
    assert "written by a newer Lucent" in told(lucent(*commands(store)[command]))


@pytest.mark.parametrize("command", ["decisions", "verify"])
def test_no_store_there(lucent: Lucent, command: str) -> None:
    assert "no store at" in told(lucent(command, "nowhere.db"))
    assert "folder" in lucent(command, ".").err


def test_a_store_that_cannot_be_made(lucent: Lucent, small: Path) -> None:
    assert "create the folder first" in told(lucent("run", small.name, "--store", "no/such.db"))
    assert "is a folder" in lucent("run", small.name, "--store", ".").err


def test_an_edited_decision_is_found(lucent: Lucent, store: Path) -> None:
    listed = lucent("decisions", store.name, "--format", "jsonl", "--limit", 1)
    event = listed.out.split('"eventId":"')[1][:36]
    edit(
        store,
        "UPDATE events SET data = replace(data, 'enter_position', 'exits_position') WHERE"
        f" event_id = x'{event.replace('-', '')}'",
    )
    verified = lucent("verify", store.name)
    assert verified.code == 1
    assert "damaged agent-yield-scout/arb:weth event 0" in verified.out
    explained = lucent("explain", event, "--store", store.name)
    assert explained.code == 1
    assert "damaged" in explained.out


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("warmup = 5", "warmup = 6", ["other parameters of 'yield-scout'"]),
        ('name = "small"', 'name = "other"', ["'yield-scout'", "from run 'small'"]),
    ],
)
def test_another_run_does_not_write_into_a_store(
    lucent: Lucent, store: Path, small: Path, old: str, new: str, words: list[str]
) -> None:
    small.write_text(small.read_text().replace(old, new, 1))
    line = told(lucent("run", small.name))
    assert all(word in line for word in ["RunConflict", *words]), line


def test_a_store_another_process_writes_to(
    lucent: Lucent, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.jobs.execution.LOCK_WAIT", 0.1)
    with store.with_name("small.db.lock").open("w") as lock:
        lock.write("4711")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "written to by process 4711" in told(lucent("run", "small.toml"))
        assert lucent("decisions", store.name).code == 0
    assert lucent("run", "small.toml").code == 0


@contextmanager
def unprivileged() -> Iterator[None]:
    """Without the rights of root, which may do anything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def locked_away(lucent: Lucent, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A finished run in a directory that may be read, and not written to."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        monkeypatch.chdir(directory)
        write_tape(directory)
        write_config(directory)
        assert lucent("run", "small.toml").code == 0
        directory.chmod(0o555)
        yield directory
        directory.chmod(0o755)


def test_without_permission(lucent: Lucent, locked_away: Path) -> None:
    with unprivileged():
        for arguments in (["run", "small.toml"], ["run", "small.toml", "--store", "new.db"]):
            line = told(lucent(*arguments))
            assert "StoreForbidden" in line
            assert "change the permissions" in line
        assert lucent("decisions", "small.db").code == 0
        line = told(lucent("decisions", "small.db", "--format", "jsonl", "--out", "out.jsonl"))
        assert "cannot write out.jsonl: Permission denied" in line
        for target in (["backup", "small.db", "new.db"], ["export", "small.db", "new.ndjson"]):
            line = told(lucent("store", *target))
            assert f"no permission to write in {locked_away}" in line
    (locked_away / "small.db").chmod(0)
    (locked_away / "rates.parquet").chmod(0)
    with unprivileged():
        assert "StoreForbidden" in told(lucent("verify", "small.db"))
        assert "Permission denied" in told(lucent("run", "small.toml", "--store", "new.db"))
    (locked_away / "small.toml").chmod(0)
    with unprivileged():
        assert "cannot read config small.toml" in told(lucent("run", "small.toml"))


def test_a_full_disk_loses_nothing(lucent: Lucent, small: Path) -> None:
    clean = lucent("run", small.name, "--store", "clean.db").root
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (49152, 49152));"
    command = f"{limit} from runtime.cli.main import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", command, "run", small.name],
        cwd=small.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "StoreFull" in ended.stderr
    assert "free disk space" in ended.stderr
    assert lucent("run", small.name).root == clean
