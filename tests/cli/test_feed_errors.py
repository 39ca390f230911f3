from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Lucent, told
from tests.cli.samples import rows, write_config, write_tape

Columns = dict[str, list[Any]]
Damage = Callable[[Columns], Columns]


def put(column: str, value: object, row: int = 100) -> Damage:
    def change(columns: Columns) -> Columns:
        columns[column][row] = value
        return columns

    return change


def repeat(columns: Columns) -> Columns:
    for values in columns.values():
        values[101] = values[100]
    return columns


ROWS: list[tuple[str, Damage, list[str]]] = [
    ("nan", put("rate", math.nan), ["row 100 (eth:usdc)", "needs 'rate'"]),
    ("missing", put("rate", None), ["row 100 (eth:usdc)", "needs 'rate'"]),
    ("infinite", put("rate", math.inf), ["row 100", "inf in column 'rate'", "finite"]),
    ("absurd", put("rate", 5000.0), ["rate = 5000", "above 2", "`high`"]),
    ("negative", put("rate", -3.0), ["rate = -3", "`low`"]),
    ("unsorted", put("time", "2024-01-01T00:00:00Z"), ["2024-01-01", "sort the file"]),
    ("no time", put("time", "yesterday"), ["'yesterday'", "column 'time'"]),
    ("duplicate", repeat, ["row 101", "repeats"]),
    ("no aggregate", put("pool", ""), ["row 100", "cannot name an aggregate"]),
    ("blank", put("pool", "a b"), ["'a b' cannot name an aggregate"]),
    ("control", put("pool", "\x1b[31m\n/-"), ["\\x1b", "cannot name an aggregate"]),
    (
        "text",
        lambda c: c | {"rate": ["abc", *map(str, c["rate"][1:])]},
        ["row 0", "'abc' in column 'rate'"],
    ),
    ("percent", lambda c: c | {"rate": [100 * rate for rate in c["rate"]]}, ["above 2"]),
    ("unit", lambda c: c | {"time": list(range(480))}, ["unit 'iso'"]),
    (
        "renamed",
        lambda c: {("rates" if name == "rate" else name): c[name] for name in c},
        ["no column 'rate'", "did you mean 'rates'?"],
    ),
    ("no rows", lambda c: {name: [] for name in c}, ["holds no row"]),
]


@pytest.mark.parametrize(("damage", "words"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS])
def test_mending_a_bad_file_gives_a_clean_run(
    lucent: Lucent, small: Path, damage: Damage, words: list[str]
) -> None:
    clean = lucent("run", small.name, "--store", "clean.db").root
    write_tape(small.parent, damage(rows()))
    line = told(lucent("run", small.name))
    assert all(word in line for word in words), line
    assert "rates.parquet" in line
    write_tape(small.parent)
    assert lucent("run", small.name).root == clean


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["FeedMissing", "rates.parquet"]),
        (lambda whole: b"", ["FeedEmpty", "rates.parquet"]),
        (lambda whole: whole[: len(whole) // 2], ["FeedDamaged", "rates.parquet"]),
        (lambda whole: b"hello", ["FeedDamaged", "rates.parquet"]),
        (lambda whole: whole[:100] + bytes(500) + whole[600:], ["Feed", "rates"]),
    ],
    ids=["missing", "empty", "truncated", "text", "zeroed"],
)
def test_a_file_that_cannot_be_read(
    lucent: Lucent, small: Path, content: Callable[[bytes], bytes] | None, words: list[str]
) -> None:
    tape = small.parent / "rates.parquet"
    whole = tape.read_bytes()
    clean = lucent("run", small.name, "--store", "clean.db").root
    tape.unlink()
    if content is not None:
        tape.write_bytes(content(whole))
    line = told(lucent("run", small.name))
    assert content is not None or not (small.parent / "small.db").exists()
    assert all(word in line for word in words), line
    tape.write_bytes(whole)
    assert lucent("run", small.name).root == clean


@pytest.mark.parametrize(("policy", "left_out"), [("skip", 1), ("quarantine", 95)])
def test_rows_left_out_are_counted_and_listed(
    lucent: Lucent, tmp_path: Path, policy: str, left_out: int
) -> None:
    write_tape(tmp_path, put("rate", math.inf)(rows()))
    config = write_config(tmp_path, policy=policy)
    ended = lucent("run", config.name)
    assert ended.code == 0
    assert f"{480 - left_out} events read" in ended.out
    assert "Rows left out" in ended.out
    assert "feed rates row 100 (eth:usdc): inf in column 'rate'" in ended.out
    if policy == "quarantine":
        assert "quarantined" in ended.out
        assert "and 90 more" in ended.out


def test_a_changed_input_does_not_continue_a_run(lucent: Lucent, small: Path) -> None:
    assert lucent("run", small.name).code == 0
    write_tape(small.parent, put("rate", 0.031)(rows()))
    line = told(lucent("run", small.name))
    assert "FeedChanged" in line
    assert "'rates'" in line


def test_rates_in_percent_give_the_decisions_of_fractions(lucent: Lucent, small: Path) -> None:
    fractions = lucent("run", small.name)
    write_tape(small.parent, rows() | {"rate": [100 * rate for rate in rows()["rate"]]})
    write_config(small.parent, unit="percent")
    percent = lucent("run", small.name, "--store", "percent.db")
    assert percent.code == 0
    assert fractions.out.split("Stages")[0] == percent.out.split("Stages")[0]
