"""`lucent upgrade --rolling`: a strategy changes while its run goes on, on Ray."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from runtime.events import StrategyUpgraded, read_metadata
from runtime.store import SqliteStore
from tests.cli.conftest import Lucent
from tests.cli.going import DEADLINE, Going, popen, write_long
from tests.support.waiting import until

MINE = """
from dataclasses import dataclass
from typing import ClassVar

from runtime.deciding import Decision, Strategy


@dataclass(slots=True)
class Seen:
    count: int = 0


class Mine(Strategy[Seen]):
    name = "mine"
    version = "{version}"
    inputs: ClassVar = {{"rate": float}}
    State: ClassVar = Seen

    def on_event(self, state, event):
        state.count += 1
        if state.count % 50:
            return None
        return Decision("hold", 0.5, features={{"count": state.count, "by": "{version}"}})
"""


def write_mine(directory: Path, version: str) -> None:
    (directory / "mine.py").write_text(MINE.format(version=version))


@contextmanager
def started(directory: Path, *changes: tuple[str, str]) -> Iterator[Going]:
    """A run of minutes, of a strategy in a file beside its config, in which `changes` are made."""
    config = write_long(directory)
    agent = 'name = "mine"\nstrategy = "mine:Mine"\nlistens = ["PoolRateObserved"]'
    for before, after in (('agent = "yield-scout"', agent), *changes):
        config.write_text(config.read_text().replace(before, after))
    write_mine(directory, "1")
    run = Going.start(directory)
    try:
        yield run
    finally:
        run.kill()


@pytest.fixture
def going(tmp_path: Path) -> Iterator[Going]:
    """Such a run as it is."""
    with started(tmp_path) as run:
        yield run


def decided(store: Path) -> dict[str, tuple[int, int]]:
    """The first and the last position that each version decided on."""
    found: dict[str, list[int]] = {}
    with SqliteStore.open(store, writer=False) as opened:
        for event in opened.read_all():
            if event.stream.startswith("agent-"):
                by = msgspec.json.decode(event.data)["features"]["by"]
                found.setdefault(by, []).append(int(read_metadata(event.metadata)["position"]))
    return {by: (min(those), max(those)) for by, those in found.items()}


@pytest.mark.ray
def test_a_file_that_changed_takes_over_while_the_run_goes_on(going: Going) -> None:
    store = going.directory / "long.db"
    write_mine(going.directory, "2")
    ended = going.lucent("upgrade", "long.toml", "--rolling")
    assert (ended.code, ended.err) == (0, "")
    assert "run 'long' decides as this config says: mine from position " in ended.out
    with SqliteStore.open(store, writer=False) as opened:
        kinds = [event.type for event in opened.read_stream("system-long")]
        *_, last = opened.read_stream("system-long")
    assert kinds == ["RunStarted", "StrategyUpgraded"]
    upgraded = StrategyUpgraded.model_validate_json(last.data)
    assert going.status()["upgrade"] == {
        "edition": 1,
        "state": "done",
        "why": "",
        "since": {"mine": upgraded.since},
    }
    assert (
        f"Upgrade 1: done: mine from position {upgraded.since:,}"
        in going.lucent("status", "long").out
    )
    until(lambda: "2" in decided(store), "the new version decides on nothing")
    (supervisor,) = [one for one in going.children() if "SupervisorActor" in "".join(one.cmdline())]
    supervisor.kill()
    reached = decided(store)["2"][1]
    until(lambda: decided(store)["2"][1] > reached + 10_000, "it does not go on")
    assert going.lucent("stop", "long").code == 0
    assert going.end().code == 130
    found = decided(store)
    assert found["1"][1] < upgraded.since <= found["2"][0]
    assert going.bare("verify", "long.db").code == 0


@pytest.mark.ray
def test_what_cannot_be_loaded_is_told_and_the_run_goes_on(going: Going) -> None:
    mine = going.directory / "mine.py"
    mine.write_text("class Mine:\n    pass\n")
    ended = going.lucent("upgrade", "long.toml", "--rolling")
    assert ended.code == 2
    assert "'mine:Mine' is no strategy" in ended.err
    write_mine(going.directory, "1")
    again = going.lucent("upgrade", "long.toml", "--rolling")
    assert again.code == 2
    assert "decides with what this config says already" in again.err
    status = going.status()
    assert (status["phase"], status["upgrade"]) == ("running", None)


@pytest.mark.ray
def test_what_cannot_read_the_state_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    late = ('name = "long"', 'name = "long"\nsnapshot_events = 100000000')
    with started(tmp_path, late, ("batch = 64", "batch = 512")) as going:
        write_mine(tmp_path, "2")
        mine = tmp_path / "mine.py"
        mine.write_text(mine.read_text().replace("count: int = 0", 'count: str = ""'))
        ended = going.lucent("upgrade", "long.toml", "--rolling")
        assert ended.code == 2
        assert "agent 'mine', aggregate 'pool-" in ended.err
        assert "does not fit state Seen: Expected `str`, got `int`" in ended.err
        stands = going.status()["upgrade"]
        assert stands["state"] == "refused", "its hosts were there when it was found"
        write_mine(tmp_path, "1")
        assert going.lucent("stop", "long").code == 0
        assert going.end().code == 130
    assert set(decided(tmp_path / "long.db")) == {"1"}


@pytest.mark.ray
def test_an_upgrade_is_withdrawn_as_long_as_its_hosts_have_not_taken_over(going: Going) -> None:
    none = going.lucent("withdraw", "long")
    assert none.code == 2
    assert "run 'long' has no upgrade under way" in none.err
    write_mine(going.directory, "2")
    mine = going.directory / "mine.py"
    mine.write_text(f"import time\n\ntime.sleep(5)\n{mine.read_text()}")
    config = going.directory / "long.toml"
    config.write_text(config.read_text().replace("events = 512", "events = 1024"))
    asked = popen(
        going.directory, going.env, "upgrade", "long.toml", "--rolling", "--address", going.address
    )
    until(lambda: going.status()["upgrade"] is not None, "no upgrade begins")
    withdrawn = going.lucent("withdraw", "long")
    assert (withdrawn.code, withdrawn.err) == (0, "")
    assert "run 'long' goes on as before" in withdrawn.out
    out, err = asked.communicate(timeout=DEADLINE)
    assert asked.returncode == 2
    assert "[credit] of 'long' stay as they are" in out
    assert "run 'long' goes on as before: the upgrade was withdrawn" in err
    status = going.status()
    assert (status["phase"], status["upgrade"]["state"]) == ("running", "withdrawn")
    assert going.lucent("stop", "long").code == 0
    assert going.end().code == 130
    assert set(decided(going.directory / "long.db")) == {"1"}


def test_options_that_only_a_start_has_are_refused(lucent: Lucent, tmp_path: Path) -> None:
    write_long(tmp_path, 10)
    ended = lucent("upgrade", "long.toml", "--rolling", "--hosts", 3)
    assert ended.code == 2
    assert "--rolling keeps the store, hosts and shell of the run" in ended.err
