from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from agents.allocator import ALLOCATOR, STABLECOINS
from agents.forecaster import RATE_FORECASTER
from agents.scout import YIELD_SCOUT
from runtime.deciding import Agent, Strategy
from runtime.events import event_type, observation_fields

AGENTS = [YIELD_SCOUT, RATE_FORECASTER, ALLOCATOR]

every = pytest.mark.parametrize("agent", AGENTS, ids=lambda one: one.name)


def strategy_of(agent: Agent) -> type[Strategy]:
    (found,) = entry_points(group="lucent.strategies", name=agent.strategy)
    return found.load()


def test_agents_and_strategies_are_registered_under_their_names():
    agents = {entry.name: entry.load() for entry in entry_points(group="lucent.agents")}
    assert agents == {agent.name: agent for agent in AGENTS}
    for entry in entry_points(group="lucent.strategies"):
        assert entry.load().name == entry.name


@every
def test_parameters_suit_the_strategy(agent):
    assert strategy_of(agent).configure(agent.parameters).name == agent.strategy


@every
def test_an_agent_listens_to_one_kind_of_known_events(agent):
    kinds = [event_type(name) for name in agent.listens]
    assert all(kind.observed for kind in kinds) or all(kind.decided for kind in kinds)


@pytest.mark.parametrize("agent", [YIELD_SCOUT, RATE_FORECASTER], ids=lambda one: one.name)
def test_what_a_strategy_reads_is_observed(agent):
    (name,) = agent.listens
    known = {field: spec.kind for field, spec in observation_fields(name).items()}
    assert strategy_of(agent).inputs.items() <= known.items()


def test_the_allocator_hears_all_that_the_others_decide():
    others = {name for agent in AGENTS[:2] for name in strategy_of(agent).emits}
    assert set(ALLOCATOR.listens) == others


def test_the_allocator_selects_by_its_own_key():
    assert set(ALLOCATOR.select) == {ALLOCATOR.key}
    assert list(STABLECOINS) == sorted(set(STABLECOINS))
