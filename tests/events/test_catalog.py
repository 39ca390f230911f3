from __future__ import annotations

import msgspec
import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from runtime.errors import UnknownName
from runtime.events import (
    CATALOG,
    DecisionData,
    Registry,
    RunStarted,
    event_type,
    json_schemas,
    observation_fields,
    run_stream,
)
from runtime.jobs.launch import run
from tests.support.damage import Stored, stored
from tests.support.jobs import run_in

DECIDED = {
    "YieldOpportunityDetected",
    "OpportunityRejected",
    "PositionCalculated",
    "PositionRecommended",
    "AgentDecisionMade",
}
VALIDATORS = {name: Draft202012Validator(schema) for name, schema in json_schemas().items()}


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> list[Stored]:
    return stored(run_in(tmp_path_factory.mktemp("log")).store)


@pytest.fixture(scope="module")
def shipped_run(tmp_path_factory: pytest.TempPathFactory) -> list[Stored]:
    """What the shipped agents decide on some networks of the bundled year."""
    folder = tmp_path_factory.mktemp("shipped")
    feed = {
        "name": "aave",
        "path": "package:agents.samples/aave-v3-daily/aave_v3_daily.parquet",
        "event_type": "PoolRateObserved",
        "aggregate": ["network", "asset_address"],
        "event_time": "generated_at",
        "select": {"network": ["base", "celo"]},
        "columns": {
            "rate": "current_liquidity_rate",
            "symbol": "symbol",
            "frozen": "frozen",
            "network": "network",
        },
        "policy": "skip",
    }
    config = {
        "run": {"name": "year"},
        "store": {"path": str(folder / "log.db")},
        "keys": {"demo": True},
        "hosts": {"shell": "local", "count": 1},
        "feeds": [feed],
        "agents": [{"agent": "yield-scout"}, {"agent": "rate-forecaster"}, {"agent": "allocator"}],
    }
    return stored(run(config).store)


def test_every_event_type_has_a_version_a_model_and_a_schema():
    schemas = json_schemas()
    assert list(schemas) == sorted(CATALOG)
    for name, kind in CATALOG.items():
        assert (kind.name, kind.model.__name__, kind.version) == (name, name, 1)
        Draft202012Validator.check_schema(schemas[name])
        assert schemas[name]["version"] == kind.version
        assert schemas[name]["description"]


def test_an_event_type_is_observed_or_decided_or_of_the_run_itself():
    assert {name for name, kind in CATALOG.items() if kind.decided} == DECIDED
    assert not any(kind.observed and kind.decided for kind in CATALOG.values())
    rest = {name for name, kind in CATALOG.items() if not (kind.observed or kind.decided)}
    assert rest == {
        "RunStarted",
        "RunResumed",
        "RunPaused",
        "RunCompleted",
        "AggregateParked",
        "EventsHeld",
        "ReleaseBegun",
        "ReleaseAdvanced",
        "AggregateReleased",
        "IntakeAdvanced",
        "TicksConflated",
        "TicksRejected",
        "StrategyUpgraded",
    }


def test_an_unknown_event_type_is_told_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'PoolRateObserved'"):
        event_type("PoolRatesObserved")


def test_what_is_stored_is_what_the_catalog_says(small_run: list[Stored]):
    assert {event.type for event in small_run} == {
        "AgentDecisionMade",
        "PositionRecommended",
        "RunCompleted",
        "RunStarted",
        "YieldOpportunityDetected",
    }
    for event in small_run:
        _check(event)


def test_what_shipped_agents_decide_is_what_the_catalog_says(shipped_run: list[Stored]):
    decided = {event.type for event in shipped_run} & DECIDED
    assert decided == DECIDED
    for event in shipped_run:
        _check(event)


def test_field_order_is_that_of_the_model(small_run: list[Stored]):
    order = [field.alias or name for name, field in DecisionData.model_fields.items()]
    for event in small_run:
        if event.type in DECIDED:
            assert list(msgspec.json.decode(event.data)) == order


def test_yield_is_in_percent(small_run: list[Stored]):
    first = next(event for event in small_run if event.stream == "agent-watcher/base/usdc")
    data = msgspec.json.decode(first.data)
    assert data["yield"] == 3.1
    model = CATALOG[first.type].model.model_validate(data)
    assert isinstance(model, DecisionData)
    assert model.yield_ == 3.1


def test_data_with_an_unknown_or_absurd_field_is_refused(small_run: list[Stored]):
    data = msgspec.json.decode(next(e for e in small_run if e.type in DECIDED).data)
    model = CATALOG["YieldOpportunityDetected"].model
    for change in ({"note": 1}, {"confidence": 1.5}, {"action": ""}, {"yield": float("nan")}):
        with pytest.raises(ValidationError):
            model.model_validate(data | change)


def test_a_start_names_its_agents_and_feeds(small_run: list[Stored]):
    data = msgspec.json.decode(small_run[0].data)
    assert small_run[0].stream == run_stream(data["run"])
    for part, field in (("agents", "name"), ("agents", "did"), ("feeds", "digest")):
        broken = [{name: one[name] for name in one if name != field} for one in data[part]]
        with pytest.raises(ValidationError, match=f"has no {field}"):
            RunStarted.model_validate(data | {part: broken})


def test_bounds_of_observations_are_told():
    fields = observation_fields("PoolRateObserved")
    assert (fields["rate"].kind, fields["rate"].required) == (float, True)
    assert (fields["rate"].low, fields["rate"].high) == (-1.0, 2.0)
    assert (fields["frozen"].kind, fields["frozen"].required) == (bool, False)
    assert fields["index"].above == 0.0
    assert fields["symbol"].kind is str


def test_a_registry_tells_who_takes_an_event():
    registry = Registry()
    registry.register("scout", ["PoolRateObserved", "PriceObserved"])
    registry.register("other", ["PoolRateObserved"])
    assert registry.handlers("PoolRateObserved") == ("scout", "other")
    assert registry.handlers("PriceObserved") == ("scout",)
    assert registry.handlers("TradeObserved") == ()
    with pytest.raises(UnknownName, match="did you mean 'TradeObserved'"):
        registry.register("scout", ["TradesObserved"])
    with pytest.raises(UnknownName):
        registry.handlers("Nothing")


def _check(event: Stored) -> None:
    CATALOG[event.type].model.model_validate_json(event.data)
    VALIDATORS[event.type].validate(msgspec.json.decode(event.data))
