"""`lucent quarantine`: looked at, proved, released and dropped from the command line."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from runtime.jobs import execution
from runtime.store import SqliteStore
from runtime.store.wire import Serving
from tests.cli.conftest import Lucent, told
from tests.support.jobs import write_rates
from tests.support.served import served
from tests.support.strategies import HERE, Moody

CONFIG = f"""
[run]
name = "moody"
[store]
path = "log.db"
[keys]
demo = true
[hosts]
shell = "local"
count = 1
[[feeds]]
name = "rates"
path = "rates.parquet"
event_type = "PoolRateObserved"
aggregate = ["pool"]
event_time = {{ column = "at", unit = "ns" }}
columns = {{ rate = "rate", symbol = "symbol" }}
[[agents]]
name = "moody"
strategy = "{HERE}:Moody"
listens = ["PoolRateObserved"]
"""
POOL = "celo/usdc"


@pytest.fixture
def sick(lucent: Lucent, monkeypatch: pytest.MonkeyPatch) -> Lucent:
    """The command, where a run has left an aggregate in quarantine."""
    write_rates(Path("rates.parquet"))
    Path("moody.toml").write_text(CONFIG, encoding="utf-8")
    monkeypatch.setattr(Moody, "hated", (POOL,))
    ended = lucent("run", "moody.toml")
    assert ended.code == 3
    assert "1 aggregate in quarantine" in ended.out
    return lucent


def test_what_is_in_quarantine_is_listed_and_shown(sick: Lucent) -> None:
    listed = sick("quarantine", "list", "log.db")
    assert POOL in listed.out
    assert "RuntimeError" in listed.out
    assert sick("quarantine", "list", "moody.toml").out == listed.out
    shown = sick("quarantine", "show", "log.db", "moody", POOL).out
    assert "RuntimeError: I do not like celo/usdc" in shown
    assert "5 events are held" in shown
    assert '"count": 3' in shown
    assert "in on_event" in shown
    assert '"rate": 0.043' in shown


def test_how_often_an_event_was_tried_again_is_shown(
    sick: Lucent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Moody, "patience", 100)
    sick("run", "moody.toml", "--store", "tried.db")
    assert "retries    5 of 5 made" in sick("quarantine", "show", "tried.db", "moody", POOL).out


def test_an_event_is_proved_on_the_code_of_today(
    sick: Lucent, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = sick("quarantine", "prove", "log.db", "moody", POOL)
    assert again.code == 1
    assert "raises RuntimeError" in again.out
    monkeypatch.setattr(Moody, "hated", ())
    cured = sick("quarantine", "prove", "log.db", "moody", POOL)
    assert cured.code == 0
    assert "decides: 1 decision" in cured.out


def test_a_release_goes_on_in_order(sick: Lucent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Moody, "hated", ())
    whole = sick("run", "moody.toml", "--store", "whole.db")
    released = sick("quarantine", "release", "moody.toml", "moody", POOL)
    assert (released.code, released.root) == (0, whole.root)
    assert sick("verify", "log.db").code == 0
    assert "0 aggregates" in sick("quarantine", "list", "log.db").out


OTHER = "base/dai"


@pytest.mark.parametrize(
    "which", [("--all",), ("moody", "--all"), ("moody", POOL, OTHER), ("moody", POOL, OTHER, POOL)]
)
def test_several_are_released_at_once(
    sick: Lucent, monkeypatch: pytest.MonkeyPatch, which: tuple[str, ...]
) -> None:
    monkeypatch.setattr(Moody, "hated", (POOL, OTHER))
    Path("moody.toml").write_text(CONFIG.replace("log.db", "two.db"), encoding="utf-8")
    assert "2 aggregates in quarantine" in sick("run", "moody.toml").out
    monkeypatch.setattr(Moody, "hated", ())
    whole = sick("run", "moody.toml", "--store", "whole.db")
    released = sick("quarantine", "release", "moody.toml", *which)
    assert (released.code, released.root) == (0, whole.root)
    nothing = sick("quarantine", "release", "moody.toml", "--all")
    assert (nothing.code, nothing.out) == (0, "nothing is in quarantine\n")


@pytest.mark.parametrize(
    ("which", "wrong"),
    [
        ((), "name an agent and its aggregates, or give --all"),
        (("moody",), "name an agent and its aggregates, or give --all"),
        (("moody", POOL, "--all"), "--all: name no aggregates with it"),
        (("moody", POOL, "nobody"), "'nobody' of agent 'moody' is not in quarantine"),
        (
            ("nosuch", "--all"),
            f"no aggregate of agent 'nosuch' is in quarantine; in quarantine: moody {POOL}",
        ),
    ],
)
def test_what_is_to_be_released_is_named(sick: Lucent, which: tuple[str, ...], wrong: str) -> None:
    ended = sick("quarantine", "release", "moody.toml", *which)
    assert ended.code == 2
    assert wrong in ended.err
    assert POOL in sick("quarantine", "list", "log.db").out, "nothing went on"


def test_a_store_without_the_run_is_told(sick: Lucent) -> None:
    other = CONFIG.replace('name = "moody"', 'name = "other"', 1)
    Path("other.toml").write_text(other, encoding="utf-8")
    ended = sick("quarantine", "release", "other.toml", "--all")
    assert ended.code == 2
    assert "log.db holds no run 'other'" in ended.err


def test_a_config_whose_run_goes_on_is_told_to_be_named_instead(
    sick: Lucent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "LOCK_WAIT", 0.1)
    with SqliteStore.open("log.db"):
        refused = told(sick("quarantine", "release", "moody.toml", "moody", POOL))
    assert refused.startswith("StoreLocked: ")
    assert "if that is run 'moody' itself, going on on Ray, name it" in refused


def test_what_raises_again_stays(sick: Lucent) -> None:
    released = sick("quarantine", "release", "moody.toml", "moody", POOL)
    assert released.code == 3
    assert "1 in quarantine still" in released.out


def test_a_narrow_screen_cuts_no_name_that_other_commands_take(
    sick: Lucent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    listed = sick("quarantine", "list", "log.db").out
    assert f"moody {shlex.quote(POOL)}\n" in listed
    assert "RuntimeError: I do not like" in listed


def test_an_event_can_be_dropped(sick: Lucent) -> None:
    assert sick("quarantine", "drop", "moody.toml", "moody", POOL).code == 0
    lines = sick("decisions", "log.db", "--aggregate", POOL, "--format", "jsonl").out
    rows = [json.loads(line)["metadata"]["row"] for line in lines.splitlines()]
    assert len(rows) == 7


@pytest.mark.parametrize(
    "command",
    [
        ("show", "log.db", "moody", "nobody"),
        ("prove", "log.db", "nobody", POOL),
        ("release", "moody.toml", "moody", "nobody"),
        ("drop", "moody.toml", "nobody", POOL),
    ],
)
def test_what_is_not_in_quarantine_is_told(sick: Lucent, command: tuple[str, ...]) -> None:
    ended = sick("quarantine", *command)
    assert ended.code == 2
    assert f"in quarantine: moody {POOL}" in ended.err


def test_a_run_on_a_server_is_looked_at_and_released(
    sick: Lucent, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SqliteStore.open("served.db") as store, served(store, Serving(port=0)) as port:
        place = f"esdb://localhost:{port}?tls=false"
        Path("moody.toml").write_text(CONFIG.replace("log.db", place), encoding="utf-8")
        ended = sick("run", "moody.toml")
        assert f"lucent quarantine list '{place}'" in ended.out
        assert POOL in sick("quarantine", "list", place).out
        assert "RuntimeError: I do not like" in sick("quarantine", "show", place, "moody", POOL).out
        assert sick("quarantine", "prove", place, "moody", POOL).code == 1
        monkeypatch.setattr(Moody, "hated", ())
        whole = sick("run", "moody.toml", "--store", "whole.db")
        assert sick("quarantine", "release", "moody.toml", "moody", POOL).root == whole.root
        assert sick("verify", place).code == 0
    assert sick("verify", "served.db", "--root", whole.root).code == 0
