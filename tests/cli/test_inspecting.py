from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from runtime.jobs.execution import Outcome
from tests.cli.conftest import Lucent, told

ID = "7efb5459-226e-5e16-9cd3-6667b0660b6b"
"""Of a decision that no store holds."""


@pytest.fixture
def store(lucent: Lucent, small: Path) -> str:
    """The store of a finished small run."""
    assert lucent("run", small.name).code == 0
    return "small.db"


def ids(lucent: Lucent, store: str, *filters: str) -> list[str]:
    listed = lucent("decisions", store, "--format", "jsonl", *filters)
    assert listed.code == 0
    return [json.loads(line)["eventId"] for line in listed.out.splitlines()]


def test_filters_narrow_the_list(lucent: Lucent, store: str) -> None:
    every = ids(lucent, store)
    by_action = [ids(lucent, store, "--action", a) for a in ("enter_position", "reject_faded")]
    assert sorted(every) == sorted(by_action[0] + by_action[1])
    before = ids(lucent, store, "--until", "2025-02-01")
    after = ids(lucent, store, "--since", "2025-02-01")
    assert sorted(before + after) == sorted(every)
    assert ids(lucent, store, "--limit", "3") == every[:3]
    assert ids(lucent, store, "--aggregate", "no:such") == []
    assert set(ids(lucent, store, "--agent", "yield-scout", "--aggregate", "eth:dai")) < set(every)


@pytest.mark.parametrize("columns", [40, 80, 120, 200])
def test_a_table_fits_and_shows_ids_and_times_in_full(
    lucent: Lucent, store: str, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = lucent("decisions", store).out.splitlines()
    every = ids(lucent, store)
    assert shown[-1] == f"{len(every)} decisions"
    assert max(map(len, shown)) <= columns
    for line, event in zip(shown[1:-1], every, strict=True):
        assert event in line
        assert columns < 80 or line.startswith("2025-0")
    assert ("reason" in shown[0]) == (columns == 200)


def test_a_table_for_a_pipe_has_everything(lucent: Lucent, store: str) -> None:
    lines = lucent("decisions", store, "--limit", 2).out.splitlines()
    assert "the rate has risen by more than it usually changes" in lines[1]
    assert "arb:weth" in lines[1]


def test_parquet_and_jsonl_files_hold_the_same(lucent: Lucent, store: str, tmp_path: Path) -> None:
    assert lucent("decisions", store, "--format", "parquet", "--out", "d.parquet").code == 0
    assert lucent("decisions", store, "--format", "jsonl", "--out", "d.jsonl").code == 0
    lines = (tmp_path / "d.jsonl").read_text().splitlines()
    table = pq.read_table(tmp_path / "d.parquet")
    assert table.column("event_id").to_pylist() == [json.loads(line)["eventId"] for line in lines]


@pytest.mark.parametrize("format_", ["table", "jsonl"])
def test_a_decision_that_is_damaged_is_named(lucent: Lucent, store: str, format_: str) -> None:
    with closing(sqlite3.connect(store)) as opened, opened:
        opened.execute(
            "UPDATE events SET data = CAST(x'ff' || substr(data, 2) AS BLOB) WHERE position ="
            " (SELECT max(position) FROM events WHERE type = 'YieldOpportunityDetected')"
        )
    line = told(lucent("decisions", store, "--format", format_), 1)
    assert line.startswith("StoreDamaged: event ")
    assert "see 'lucent verify'" in line


@pytest.mark.parametrize(
    ("command", "where", "code", "says"),
    [
        ("verify {}", ">&-", 0, ""),
        ("decisions {} --format jsonl", ">&-", 0, ""),
        ("decisions {} --format jsonl", ">/dev/full", 2, "OutputLost: "),
        ("decisions {}", ">/dev/full", 2, "OutputLost: "),
        ("decisions {}", ">/dev/full 2>&1", 2, ""),
        ("verify {}", ">/dev/full 2>&1", 2, ""),
        ("verify no-such.db", "2>&-", 2, ""),
        ("verify no-such.db", "2>/dev/full", 2, ""),
    ],
)
def test_what_cannot_be_written_is_told(
    lucent: Lucent, store: str, command: str, where: str, code: int, says: str
) -> None:
    line = f"{sys.executable} -m runtime.cli {command.format(store)} {where}"
    ended = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr.startswith(says)
    assert len(ended.stderr.splitlines()) == bool(says)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--since", "yesterday"], ["--since", "'yesterday'", "2025-07-22T10:30:00Z"]),
        (["--since", "2025-05-01", "--until", "2025-01-01"], ["--until 2025-01-01 is not after"]),
        (["--agent", "yeild-scout"], ["did you mean 'yield-scout'?"]),
        (["--out", "x"], ["--out needs --format"]),
        (["--format", "parquet"], ["needs --out FILE"]),
        (["--format", "jsonl", "--out", "no/such"], ["cannot write no/such"]),
        (["--format", "jsonl", "--out", "."], ["cannot write .", "directory"]),
        (["--format", "jsonl", "--out", "/dev/full"], ["cannot write /dev/full", "space"]),
        (["--format", "parquet", "--out", "/dev/full"], ["cannot write /dev/full", "space"]),
        (["--format", "jsonl", "--out", "small.db"], ["is the store"]),
        (["--format", "jsonl", "--out", "there"], ["--out there exists"]),
    ],
)
def test_mistakes_in_options(
    lucent: Lucent, store: str, arguments: list[str], words: list[str]
) -> None:
    Path("there").write_text("mine")
    line = told(lucent("decisions", store, *arguments))
    assert all(word in line for word in words), line
    assert Path("there").read_text() == "mine"
    assert lucent("verify", store).code == 0


def test_an_explanation_names_the_row_the_rule_and_the_proof(lucent: Lucent, store: str) -> None:
    event = ids(lucent, store)[0]
    shown = lucent("explain", event, "--store", store)
    assert shown.code == 0
    for words in (event, "enter_position", "row 35 of feed rates", "rate = 0.086", "proven"):
        assert words in shown.out
    as_json = json.loads(lucent("explain", event, "--store", store, "--json").out)
    assert as_json["decision"]["eventId"] == event
    assert as_json["damages"] == []


def test_an_explanation_without_its_input_says_so(
    lucent: Lucent, store: str, tmp_path: Path
) -> None:
    (tmp_path / "rates.parquet").unlink()
    shown = lucent("explain", ids(lucent, store)[0], "--store", store)
    assert shown.code == 0
    assert "its values are not at hand" in shown.out


def test_ids_that_are_none_and_ids_of_another_store(lucent: Lucent, store: str) -> None:
    assert "'xyz' is not an event id" in told(lucent("explain", "xyz", "--store", store))
    line = told(lucent("explain", ID[::-1].replace("-", "0")[:32], "--store", store))
    assert "check the id and the store" in line


def test_verify_compares_roots(lucent: Lucent, small: Path) -> None:
    root = lucent("run", small.name).root
    sound = lucent("verify", "small.db", "--root", root)
    assert sound.code == 0
    assert f"run small: root {root}" in sound.out
    assert lucent("verify", "small.db", "--root", "0" * 64).code == 1
    assert "64 hex digits" in told(lucent("verify", "small.db", "--root", root[:12]))


def test_trust_files_that_cannot_be_used(lucent: Lucent, store: str, tmp_path: Path) -> None:
    assert "cannot read nope.json" in told(lucent("verify", store, "--trust", "nope.json"))
    assert "'lucent keys export'" in told(lucent("verify", store, "--trust", "small.toml"))
    (tmp_path / "part.json").write_text('{"yield-scout": "did:key:zzz"}')
    assert "supervisor" in told(lucent("verify", store, "--trust", "part.json"))


@pytest.mark.parametrize("kind", ["table", "jsonl"])
def test_a_reader_that_leaves_early_is_no_error(demo: Outcome, kind: str) -> None:
    listing = subprocess.Popen(
        [sys.executable, "-m", "runtime.cli", "decisions", demo.store, "--format", kind],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert listing.stdout is not None
    assert listing.stderr is not None
    assert listing.stdout.readline()
    listing.stdout.close()
    assert listing.stderr.read() == b""
    assert listing.wait() == 141
    listing.stderr.close()
