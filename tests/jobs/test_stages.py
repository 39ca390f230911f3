"""What a later stage is handed of the decisions before it, and where strategies are found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from runtime.deciding import Decided, Decision, Event, Strategy
from runtime.engine.local import LocalHosts
from runtime.errors import ConfigError, RunConflict
from runtime.identity import SigningKey
from runtime.jobs.control import RunControl
from runtime.jobs.execution import Job, execute
from runtime.jobs.launch import prepare
from runtime.jobs.records import decisions
from tests.support.jobs import HOUR, START, follower, job, rates_feed, run_in, watcher

HERE = "tests.jobs.test_stages"


@dataclass(slots=True)
class Nothing:
    """No state."""


class Clocks(Strategy[Nothing]):
    """Tells when a decision happened and when it could be known, in hours from the start."""

    name = "clocks"
    version = "1"
    State: ClassVar[type] = Nothing

    def on_event(self, state: Nothing, event: Event) -> Decided:
        hours = {"time": (event.time - START) // HOUR, "known": (event.known_at - START) // HOUR}
        return Decision("hold", 1.0, features=hours)


class Greedy(Clocks):
    """Reads what every event has anyway."""

    name = "greedy"
    version = "1"
    inputs: ClassVar[Mapping[str, type]] = {"position": float}


def test_a_decision_is_known_when_its_observation_was(tmp_path: Path) -> None:
    agents = [watcher(), follower(strategy=f"{HERE}:Clocks")]
    outcome = run_in(tmp_path, agents=agents, feeds=[rates_feed(known_after="5h")])
    frame = decisions(outcome.store)
    told = set(frame[frame.agent == "follower"].features)
    assert told == {f'{{"time":{hour},"known":{hour + 5}}}' for hour in (1, 3, 5, 7)}


def test_decisions_may_be_grouped_by_their_own_aggregate(tmp_path: Path) -> None:
    by_pool = follower()
    del by_pool["key"]
    frame = decisions(run_in(tmp_path, agents=[watcher(), by_pool]).store)
    pools = frame[frame.agent == "watcher"]["aggregate"]
    assert set(frame[frame.agent == "follower"]["aggregate"]) == set(pools)


def test_decisions_may_be_grouped_by_protocol(tmp_path: Path) -> None:
    frame = decisions(run_in(tmp_path, agents=[watcher(), follower(key="protocol")]).store)
    assert set(frame[frame.agent == "follower"]["aggregate"]) == {"rates"}


def test_an_input_every_event_has_is_refused_before_the_run_begins(tmp_path: Path) -> None:
    agents = [watcher(), follower(strategy=f"{HERE}:Greedy")]
    with pytest.raises(ConfigError, match="'position'"):
        run_in(tmp_path, agents=agents)
    assert run_in(tmp_path).completed


def test_another_key_of_the_run_itself_is_refused(tmp_path: Path) -> None:
    config = job(tmp_path)
    outcome = execute(prepare(config), LocalHosts, RunControl())
    other = Job(config, prepare(config).keys, SigningKey.demo("somebody"))
    with pytest.raises(RunConflict, match="'supervisor' key"):
        execute(other, LocalHosts, RunControl())
    assert execute(prepare(config), LocalHosts, RunControl()).root == outcome.root


@pytest.mark.ray
def test_hosts_find_a_strategy_beside_the_config(tmp_path: Path, ray_session: None) -> None:
    module = Path(__file__).parents[1] / "support" / "strategies.py"
    text = module.read_text(encoding="utf-8")
    (tmp_path / "beside_the_config.py").write_text(text, encoding="utf-8")
    agents = [watcher(strategy="beside_the_config:Watch")]
    hosts = {"count": 2, "shell": "ray"}
    assert run_in(tmp_path, agents=agents, hosts=hosts).decisions == 12
