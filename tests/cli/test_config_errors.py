from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Lucent, told

AGENT = 'agent = "yield-scout"'
OWN = 'name = "own"\nlistens = ["PoolRateObserved"]\nstrategy = '
PARAMETERS = "parameters = { warmup = 5, threshold = 1.5 }"

EDITS = [
    ("[store]", "[stroe]", ["small.toml", "'stroe'", "did you mean 'store'?"]),
    ('path = "small.db"', 'pth = "small.db"', ["[store]", "'pth'", "did you mean 'path'?"]),
    ("count = 2", "cuont = 2", ["[hosts]", "did you mean 'count'?"]),
    ("count = 2", 'count = "two"', ["[hosts] count = 'two'", "integer"]),
    ("count = 2", "count = 0", ["[hosts] count = 0", "greater than or equal to 1"]),
    ('shell = "local"', 'shell = "loca"', ["[hosts] shell = 'loca'", "'ray' or 'local'"]),
    ("demo = true", 'demo = "maybe"', ["[keys] demo = 'maybe'"]),
    ("[hosts]", "[credit]\nevents = 0\n[hosts]", ["[credit] events = 0"]),
    ("[run]", 'base = "/"\n[run]', ["'base'", "Known: agents, autoscale, credit, feeds"]),
    ('name = "small"', 'name = "a b"', ["[run] name = 'a b'", "is not a name"]),
    ("PoolRateObserved", "PoolRateObservd", ["did you mean 'PoolRateObserved'?"]),
    ("PoolRateObserved", "PositionCalculated", ["'PositionCalculated'", "PoolRateObserved"]),
    ("yield-scout", "yeild-scout", ["unknown agent", "did you mean 'yield-scout'?"]),
    ("parameters =", "paramters =", ["[[agents]]", "did you mean 'parameters'?"]),
    ("warmup = 5", "warmpu = 5", ["'ewma-zscore'", "did you mean 'warmup'?"]),
    ("warmup = 5", "warmup = -5", ["ParameterInvalid", "warmup", "greater than or equal to 1"]),
    ("warmup = 5", 'warmup = "x"', ["ParameterInvalid", "warmup", "integer"]),
    (AGENT, f'{OWN}"ewma-zscor"', ["did you mean 'ewma-zscore'?"]),
    (AGENT, f'{OWN}"no_module:Thing"', ["cannot load strategy 'no_module:Thing'"]),
    (AGENT, f'{OWN}"strategies.zscore:Nope"', ["'Nope'. Known: EwmaZScore, "]),
    (AGENT, f'{OWN}":Thing"', ["strategy ':Thing' is not like module:NAME"]),
    (AGENT, 'agent = "no_module:X"', ["cannot load agent 'no_module:X'"]),
    (AGENT, 'agent = ":X"', ["agent ':X' is not like module:NAME"]),
    (AGENT, 'name = "x"', ["[[agents]] needs either"]),
    (AGENT, f'{AGENT}\nname = "supervisor"', ["no agent may be named 'supervisor'"]),
    (AGENT, f'{AGENT}\nkey = "symbl"', ["no feed has the column 'symbl'"]),
    ("[[agents]]", f"[[agents]]\n{AGENT}\n[[agents]]", ["two agents are named 'yield-scout'"]),
    (
        "[[agents]]",
        '[[agents]]\nagent = "allocator"\nlistens = ["PositionCalculated"]\n[[agents]]',
        ["'allocator' listens to PositionCalculated, which no other agent of this run"],
    ),
    (f"[[agents]]\n{AGENT}\n{PARAMETERS}", "", ["[[agents]] is missing"]),
    ("[[feeds]]", "[feeds]", ["write [[feeds]]"]),
    ("rate = {", "rat = {", ["did you mean 'rate'?"]),
    ('unit = "fraction"', 'unit = "fractoin"', ["[[feeds]] number 1", "'percent'"]),
    ('policy = "reject"', 'policy = "drop"', ["[[feeds]] number 1: policy = 'drop'"]),
    ('"rates.parquet"', '"package:no_package/x.parquet"', ["no package 'no_package'"]),
    ('"rates.parquet"', '"a\\u0000b.parquet"', ["'a\\x00b.parquet' is not a path"]),
]


@pytest.mark.parametrize(("old", "new", "words"), EDITS, ids=[edit[1][:40] for edit in EDITS])
def test_a_mistake_in_a_config_is_named(
    lucent: Lucent, small: Path, old: str, new: str, words: list[str]
) -> None:
    text = small.read_text()
    assert old in text
    small.write_text(text.replace(old, new, 1))
    line = told(lucent("run", small.name))
    assert all(word in line for word in words), line
    assert "at least 1 item" not in line
    small.write_text(text)
    assert lucent("run", small.name).code == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["cannot read config bad.toml", "No such file"]),
        (b"[run\nname = 3", ["bad.toml is not TOML", "line 1"]),
        (b"\xff\xfe\x00", ["bad.toml is not TOML"]),
        (b"", ["[run] is missing", "[[feeds]] is missing"]),
    ],
)
def test_a_file_that_is_no_config(
    lucent: Lucent, tmp_path: Path, content: bytes | None, words: list[str]
) -> None:
    if content is not None:
        (tmp_path / "bad.toml").write_bytes(content)
    line = told(lucent("run", "bad.toml"))
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    ("module", "text", "words"),
    [
        ("ends_early", "def (", ["SyntaxError", "line 1"]),
        ("divides", "1/0", ["ZeroDivisionError"]),
        ("number", "X = 3", ["'number:X' is no strategy"]),
    ],
)
def test_a_strategy_of_ones_own_that_does_not_load(
    lucent: Lucent, small: Path, module: str, text: str, words: list[str]
) -> None:
    (small.parent / f"{module}.py").write_text(text)
    small.write_text(small.read_text().replace(AGENT, f'{OWN}"{module}:X"'))
    line = told(lucent("run", small.name))
    assert all(word in line for word in words), line


def test_options_are_checked_like_the_config(lucent: Lucent, small: Path) -> None:
    assert "[hosts] count = 5000" in told(lucent("run", small.name, "--hosts", 5000))
    assert lucent("run", small.name, "--hosts", 0).code == 2
    assert lucent("run", small.name, "--shell", "cloud").code == 2
