from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from runtime.engine.plan import RunPlan
from runtime.errors import ConfigError, ParameterInvalid, UnknownName
from runtime.identity import SigningKey
from runtime.jobs.intake import open_feed
from runtime.jobs.launch import prepare
from runtime.jobs.planning import appoint, plan_run
from tests.support.jobs import follower, job, rates_feed, run_in, watcher, write_rates
from tests.support.strategies import HERE, Follow, Watch


def plan(folder: Path, owner: str = "", **changes: Any) -> RunPlan:
    """The plan of a config, with the demo keys of an owner."""
    config = job(folder, **changes)
    appointed = appoint(config)
    signing = {one.agent.name: SigningKey.demo(owner + one.agent.name) for one in appointed}
    feed = open_feed(config)
    try:
        return plan_run(config, appointed, signing, feed.digests())[0]
    finally:
        feed.close()


def relay(name: str, listens: str, emits: str) -> dict[str, Any]:
    """An agent that listens to one type of decision and emits another."""
    return {"name": name, "strategy": f"{__name__}:{emits}", "listens": [listens], "key": "origin"}


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ({"agent": "yeild-scout"}, "unknown agent 'yeild-scout': did you mean 'yield-scout'"),
        (watcher(strategy="ewma-zscroe"), "did you mean 'ewma-zscore'"),
        (watcher(listens=["PoolRateObservd"]), "did you mean 'PoolRateObserved'"),
        (watcher(parameters={"evry": 2}), "did you mean 'every'"),
    ],
)
def test_an_unknown_name_is_told_the_nearest(tmp_path: Path, agent: dict[str, Any], said: str):
    with pytest.raises(UnknownName) as caught:
        appoint(job(tmp_path, agents=[agent]))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ({}, "needs either `agent`"),
        ({"name": "x", "strategy": f"{HERE}:Watch"}, "needs either `agent`"),
        (watcher(name="a b"), "cannot name an agent"),
        (watcher(listens=["PoolRateObserved", "AgentDecisionMade"]), "and not to both"),
        (watcher(listens=["RunStarted"]), "must listen to observations or to decisions"),
        (watcher(listens=["PriceObserved"]), "'rate'"),
        (watcher(strategy=f"{HERE}:Watsh"), "'Watsh': did you mean 'Watch'?"),
        (watcher(strategy="nowhere:Watch"), "cannot load strategy"),
        (watcher(strategy=f"{HERE}:HERE"), "is no strategy"),
        ({"agent": f"{HERE}:Watch"}, "is no agent"),
        ({"agent": f"{HERE}:Nothing"}, "strategies': 'Nothing'. Known: none"),
        (follower(listens=["PositionCalculated"]), "which no other agent of this run decides"),
    ],
)
def test_an_agent_that_cannot_work_is_named(tmp_path: Path, agent: dict[str, Any], said: str):
    with pytest.raises(ConfigError) as caught:
        appoint(job(tmp_path, agents=[watcher("first"), agent]))
    assert said in str(caught.value)


def test_an_input_that_events_do_not_have_is_told_the_nearest(tmp_path: Path):
    agent = watcher(strategy=f"{__name__}:ReadsRates")
    with pytest.raises(UnknownName, match=r"PoolRateObserved.*'rates': did you mean 'rate'"):
        appoint(job(tmp_path, agents=[agent]))


def test_an_input_of_another_type_is_refused(tmp_path: Path):
    agent = watcher(strategy=f"{__name__}:ReadsText")
    with pytest.raises(
        ConfigError, match="reads 'rate' as str, but in PoolRateObserved it is float"
    ):
        appoint(job(tmp_path, agents=[agent]))


def test_inputs_of_one_stage_may_not_differ_in_type(tmp_path: Path):
    agents = [watcher(), follower(), follower("other", strategy=f"{__name__}:YieldText")]
    with pytest.raises(ConfigError, match="read 'yield' as float and as str"):
        run_in(tmp_path, agents=agents)


def test_a_parameter_out_of_bounds_is_named(tmp_path: Path):
    with pytest.raises(ParameterInvalid, match="every"):
        appoint(job(tmp_path, agents=[watcher(every=0)]))


def test_two_agents_of_one_name_are_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="two agents are named 'watcher'"):
        appoint(job(tmp_path, agents=[watcher(), watcher(every=3)]))


def test_agents_in_a_circle_are_refused(tmp_path: Path):
    one = relay("one", "AgentDecisionMade", "Positions")
    two = relay("two", "PositionRecommended", "Decisions")
    with pytest.raises(ConfigError, match="in a circle: one, two, watcher"):
        appoint(job(tmp_path, agents=[watcher(), one, two]))
    three = relay("three", "OpportunityRejected", "Decisions")
    with pytest.raises(ConfigError, match="which no other agent of this run decides"):
        appoint(job(tmp_path, agents=[watcher(), one, two, three]))


def test_agents_are_ordered_upstream_first(tmp_path: Path):
    last = relay("aaa", "AgentDecisionMade", "Positions")
    appointed = appoint(job(tmp_path, agents=[last, follower(), watcher()]))
    assert [one.agent.name for one in appointed] == ["watcher", "follower", "aaa"]


def test_agents_that_take_in_the_same_share_a_stage(tmp_path: Path):
    agents = [watcher(), watcher("second", every=3), watcher("third", key="symbol"), follower()]
    made = plan(tmp_path, agents=agents)
    assert [stage.name for stage in made.stages] == ["watcher+second", "third", "follower"]
    assert dict(made.stages[2].upstream) == {
        "watcher": "watcher+second",
        "second": "watcher+second",
        "third": "third",
    }


def test_a_shipped_agent_may_be_given_other_parameters_and_another_name(tmp_path: Path):
    changed = {"agent": "yield-scout", "name": "eager", "parameters": {"warmup": 1}}
    (one,) = appoint(job(tmp_path, agents=[changed]))
    assert one.agent.name == "eager"
    assert one.strategy.parameters.warmup == 1
    assert one.strategy.parameters.alpha == 0.1


@pytest.mark.parametrize(
    "changes",
    [
        {"run": {"name": "other"}},
        {"agents": [watcher(every=3), follower()]},
        {"agents": [watcher(), follower("tail")]},
        {"agents": [watcher(), follower(key="origin")]},
        {"agents": [watcher(), follower(select={"symbol": ["DAI"]})]},
        {"agents": [watcher()]},
        {"agents": [watcher(strategy="ewma-zscore", parameters={}), follower()]},
        {"feeds": [rates_feed(policy="skip")]},
        {"feeds": [rates_feed(name="other")]},
        {"feeds": [rates_feed(protocol="aave")]},
        {"feeds": [rates_feed(select={"symbol": ["DAI"]})]},
        {"owner": "somebody else's "},
    ],
)
def test_what_decisions_depend_on_changes_the_id_of_a_run(tmp_path: Path, changes: dict[str, Any]):
    assert plan(tmp_path, **changes).run_id != plan(tmp_path).run_id


def test_other_data_changes_the_id_of_a_run(tmp_path: Path):
    before = plan(tmp_path).run_id
    write_rates(tmp_path / "rates.parquet", shift=0.001)
    assert plan(tmp_path).run_id != before
    write_rates(tmp_path / "rates.parquet")
    assert plan(tmp_path).run_id == before


@pytest.mark.parametrize(
    "changes",
    [
        {"hosts": {"count": 9, "shell": "ray"}},
        {"credit": {"events": 10, "bytes": "1 MiB", "batch": 3}},
        {"store": {"path": "elsewhere.db"}},
        {"run": {"name": "study", "snapshot_events": 7}},
        {"agents": [watcher(form="event"), follower()]},
        {"agents": [watcher(parameters={}), follower()]},
        {"agents": [follower(), watcher()]},
        {"feeds": [rates_feed("elsewhere.parquet")]},
        {"keys": {"directory": "elsewhere"}},
    ],
)
def test_how_a_run_is_carried_out_does_not_change_its_id(tmp_path: Path, changes: dict[str, Any]):
    write_rates(tmp_path / "elsewhere.parquet")
    assert plan(tmp_path, **changes).run_id == plan(tmp_path).run_id


def test_how_a_run_is_carried_out_does_not_change_its_root(tmp_path: Path):
    roots = set()
    for number, changes in enumerate(
        (
            {},
            {"hosts": {"count": 3, "shell": "local"}},
            {"credit": {"batch": 1, "events": 1}},
            {"credit": {}},
            {"run": {"name": "study", "snapshot_events": 1}},
            {"agents": [watcher(form="event"), follower(form="event")]},
        )
    ):
        outcome = run_in(tmp_path, store={"path": f"{number}.db"}, **changes)
        roots.add((outcome.run_id, outcome.root, outcome.decisions))
    assert len(roots) == 1


def test_a_run_is_given_the_keys_of_its_agents(tmp_path: Path):
    prepared = prepare(job(tmp_path))
    assert set(prepared.keys) == {"watcher", "follower"}
    assert prepared.journal_key.did == SigningKey.demo("supervisor").did


class ReadsRates(Watch):
    """Reads what is not there."""

    inputs: ClassVar[Mapping[str, type]] = {"rates": float}


class ReadsText(Watch):
    """Reads a number as text."""

    inputs: ClassVar[Mapping[str, type]] = {"rate": str}


class YieldText(Follow):
    """Reads a number as text, of decisions."""

    inputs: ClassVar[Mapping[str, type]] = {"origin": str, "yield": str}


class Positions(Follow):
    """Recommends."""

    emits = ("PositionRecommended",)


class Decisions(Follow):
    """Decides."""

    emits = ("AgentDecisionMade",)
