from __future__ import annotations

import pytest
from pydantic import ValidationError

from runtime.errors import ConfigError, UnknownName
from tests.feeds.samples import price_spec


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"columns": {"price": "p", "sise": "s"}}, "size"),
        ({"event_type": "PriceObservd"}, "PriceObserved"),
        ({"event_type": "RunStarted"}, "PriceObserved"),
        ({"polici": "skip"}, "policy"),
        ({"columns": {"price": {"colum": "p"}}}, "column"),
    ],
)
def test_a_wrong_name_is_told_the_nearest(changes, said):
    with pytest.raises(UnknownName, match=said):
        price_spec(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "a b"},
        {"aggregate_name": "x"},
        {"aggregate": []},
        {"policy": "shrug"},
        {"known_after": "soon"},
        {"known_after": "1h", "known_at": "k"},
        {"event_time": {"column": "t", "unit": "hours"}},
        {"columns": {"price": {"column": "p", "value": 1.0}}},
        {"columns": {"price": {"unit": "percent"}}},
    ],
)
def test_a_wrong_declaration_is_refused(changes):
    with pytest.raises((ValidationError, ConfigError)):
        price_spec(**changes)


def test_a_required_field_must_be_declared():
    with pytest.raises(ConfigError, match="price"):
        price_spec(columns={"size": "s"})


def test_a_declaration_survives_its_own_dump():
    spec = price_spec(known_after="15m", select={"a": ["x"]}, columns={"price": "p"})
    assert type(spec)(**spec.model_dump()) == spec
    assert spec.delay == 900 * 10**9
