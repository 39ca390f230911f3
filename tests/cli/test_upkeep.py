"""`lucent store check`, `backup`, `restore`, `scavenge`, `export` and `import`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from runtime.store import SqliteStore, Write
from runtime.store.upkeep import check
from tests.cli.conftest import Ended, Lucent, told
from tests.store.upkeep.samples import described, edit, entries, write_rich


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write_rich(tmp_path / "log.db")
    return tmp_path / "log.db"


def digest(ended: Ended) -> str:
    found = re.search(r"^sha256 ([0-9a-f]{64})$", ended.out, re.MULTILINE)
    assert found is not None, ended
    return found[1]


def sha256(path: Path) -> str:
    told = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
    return told.stdout.split()[0]


def test_a_sound_store(lucent: Lucent, store: Path) -> None:
    ended = lucent("store", "check", store.name)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "sound: 190 events in 10 streams, up to position 190, schema 4\n"


def test_a_damaged_store_is_told_with_all_findings_and_code_1(lucent: Lucent, store: Path) -> None:
    edit(store, "DELETE FROM events WHERE position IN (9, 40)")
    ended = lucent("store", "check", store.name)
    assert ended.code == 1
    assert ended.out.splitlines() == [
        "damaged free-1 (position 10): event 9 follows event 7: events were lost",
        "damaged soft-1 (position 91): event 10 follows event 8: events were lost",
        "2 findings in 188 events in 10 streams, up to position 190, schema 4",
    ]


def test_backed_up_restored_and_the_same(lucent: Lucent, store: Path, tmp_path: Path) -> None:
    kept, again = tmp_path / "kept.db", tmp_path / "again.db"
    ended = lucent("store", "backup", store.name, kept.name)
    assert ended.code == 0
    assert ended.out.startswith(f"backed up 190 events up to position 190 to {kept}\n")
    assert digest(ended) == sha256(kept)
    ended = lucent("store", "restore", kept.name, again.name)
    assert (ended.code, digest(ended)) == (0, sha256(again))
    assert entries(again) == entries(store)


def test_restored_to_a_position_and_to_a_time(lucent: Lucent, store: Path, tmp_path: Path) -> None:
    edit(store, "UPDATE events SET recorded_at = position * 1000000000")
    for options in (("--position", 77), ("--time", "1970-01-01T00:01:17.5Z")):
        made = tmp_path / f"{options[0]}.db"
        ended = lucent("store", "restore", store.name, made, *options)
        assert ended.out.startswith("restored 77 events up to position 77"), ended
        assert entries(made) == entries(store)[:77]


def test_scavenged(lucent: Lucent, store: Path) -> None:
    ended = lucent("store", "scavenge", store.name)
    assert (ended.code, ended.err) == (0, "")
    assert re.fullmatch(r"scavenged 142 events of [0-9,]+ bytes\n", ended.out)
    assert "48 events (142 more scavenged)" in lucent("store", "check", store.name).out


@pytest.mark.parametrize("form", ["ndjson", "parquet"])
def test_exported_and_imported(lucent: Lucent, store: Path, tmp_path: Path, form: str) -> None:
    first = lucent("store", "export", store.name, f"first.{form}")
    assert digest(first) == sha256(tmp_path / f"first.{form}")
    assert lucent("store", "import", f"first.{form}", "copied.db").code == 0
    assert entries(tmp_path / "copied.db") == entries(store)
    assert digest(lucent("store", "export", "copied.db", f"second.{form}")) == digest(first)


def test_a_run_is_verified_after_a_scavenge_and_an_import(lucent: Lucent, small: Path) -> None:
    root = lucent("run", small.name).root
    with SqliteStore.open("small.db") as opened:
        stream = next(opened.heads("agent-")).stream
        opened.write(Write([described(stream, _maxCount=2)]))
    assert lucent("store", "scavenge", "small.db").code == 0
    assert lucent("store", "export", "small.db", "small.ndjson").code == 0
    assert lucent("store", "import", "small.ndjson", "copied.db").code == 0
    for name in ("small.db", "copied.db"):
        ended = lucent("verify", name, "--root", root)
        assert ended.code == 0, ended
        assert re.search(rf"^{stream}: \d+ events? were scavenged; ", ended.out, re.MULTILINE)


def test_a_run_goes_on_in_a_restored_store(lucent: Lucent, small: Path) -> None:
    root = lucent("run", small.name).root
    position = len(entries(Path("small.db"))) // 2
    made = lucent("store", "restore", "small.db", "restored.db", "--position", position)
    assert made.code == 0
    ended = lucent("run", small.name, "--store", "restored.db")
    assert (ended.code, ended.root) == (0, root)
    assert lucent("verify", "restored.db", "--root", root).code == 0


COMMANDS = {
    "check": ["check", "log.db"],
    "backup": ["backup", "log.db", "kept.db"],
    "restore": ["restore", "log.db", "again.db"],
    "scavenge": ["scavenge", "log.db"],
    "export": ["export", "log.db", "log.ndjson"],
}


class TestRefused:
    @pytest.mark.parametrize("command", sorted(COMMANDS))
    def test_no_store_there(self, lucent: Lucent, command: str) -> None:
        assert "no store at" in told(lucent("store", *COMMANDS[command]))

    @pytest.mark.parametrize("command", sorted(COMMANDS))
    def test_a_store_of_a_newer_lucent(self, lucent: Lucent, store: Path, command: str) -> None:
        edit(store, "PRAGMA user_version = 99")
        assert "written by a newer Lucent" in told(lucent("store", *COMMANDS[command]))

    @pytest.mark.parametrize("command", sorted(COMMANDS))
    def test_what_is_no_store(self, lucent: Lucent, tmp_path: Path, command: str) -> None:
        (tmp_path / "log.db").write_bytes(b"no store" * 1000)
        assert "log.db is damaged" in told(lucent("store", *COMMANDS[command]), 1)

    @pytest.mark.parametrize("scheme", ["esdb", "esdb+discover", "kurrentdb"])
    @pytest.mark.parametrize(
        "arguments",
        [
            ("check", "SERVER"),
            ("backup", "SERVER", "kept.db"),
            ("backup", "log.db", "SERVER"),
            ("restore", "SERVER", "again.db"),
            ("restore", "log.db", "SERVER"),
            ("scavenge", "SERVER"),
            ("export", "log.db", "SERVER"),
            ("import", "log.ndjson", "SERVER"),
            ("serve", "SERVER"),
        ],
    )
    def test_a_server(
        self, lucent: Lucent, store: Path, arguments: tuple[str, ...], scheme: str
    ) -> None:
        server = f"{scheme}://me:secret@db:2113"
        line = told(lucent("store", *(each.replace("SERVER", server) for each in arguments)))
        assert f"{scheme}://db:2113 is a server" in line
        assert "secret" not in line

    @pytest.mark.parametrize("command", ["backup", "restore", "export"])
    def test_where_something_stands(self, lucent: Lucent, store: Path, command: str) -> None:
        *rest, target = COMMANDS[command]
        Path(target).write_bytes(b"precious")
        assert f"{target} is there already" in told(lucent("store", *rest, target))
        assert Path(target).read_bytes() == b"precious"
        assert "there already" in told(lucent("store", "backup", "log.db", "log.db"))

    def test_a_position_or_time_that_is_none(self, lucent: Lucent, store: Path) -> None:
        command = COMMANDS["restore"]
        assert "no position 191" in told(lucent("store", *command, "--position", 191))
        assert "not an RFC 3339 time" in told(lucent("store", *command, "--time", "noon"))
        assert "nothing as old as" in told(lucent("store", *command, "--time", "1999-01-01"))
        both = ("--position", 3, "--time", "2025-01-01")
        assert "exclude each other" in told(lucent("store", *command, *both))
        assert not Path("again.db").exists()

    def test_a_store_that_is_written_to_is_not_scavenged(
        self, lucent: Lucent, store: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("runtime.cli.upkeep.LOCK_WAIT", 0.0)
        with SqliteStore.open(store):
            assert "is being written to by process" in told(lucent("store", *COMMANDS["scavenge"]))
            assert lucent("store", "check", store.name).code == 0

    def test_a_bad_line_is_named_and_no_store_is_made(self, lucent: Lucent, store: Path) -> None:
        lucent("store", *COMMANDS["export"])
        with Path("log.ndjson").open("ab") as file:
            file.write(b'{"eventId":')
        line = told(lucent("store", "import", "log.ndjson", "copied.db"))
        assert "log.ndjson, line 191: it is cut off" in line
        assert "cannot be read" in told(lucent("store", "import", "no.ndjson", "copied.db"))
        assert "neither .ndjson nor .parquet" in told(lucent("store", "import", "x", "copied.db"))
        assert not Path("copied.db").exists()

    def test_an_unsound_store_is_not_backed_up(self, lucent: Lucent, store: Path) -> None:
        edit(store, "DELETE FROM events WHERE position = 40")
        assert "events were lost" in told(lucent("store", *COMMANDS["backup"]), 1)
        assert not Path("kept.db").exists()
        assert not check(store).sound
