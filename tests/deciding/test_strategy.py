from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.deciding import (
    Decided,
    Decision,
    Event,
    Parameters,
    StateCodec,
    Strategy,
    Text,
    Window,
    event,
    event_by_event,
)
from runtime.errors import ConfigError, ParameterInvalid, UnknownName
from tests.support.strategies import Follow, Seen, Watch, Windowed

HEAVY = ("ray", "pyarrow", "sklearn", "pandas", "sqlite3", "asyncio")


class Both(Watch):
    """Written in both forms."""

    name = "both"

    def on_window(self, state: Seen, window: Window) -> Iterable[tuple[int, Decision]]:
        for row, one in enumerate(window.events(tuple(self.inputs))):
            decision = self.on_event(state, one)
            if isinstance(decision, Decision):
                yield row, decision


def rates(values: list[float], aggregate: str = "pool") -> Window:
    time = np.arange(len(values), dtype=np.int64)
    columns = {"rate": np.array(values, float), "symbol": _text(["USDC"] * len(values))}
    return Window(aggregate, time, time, "PoolRateObserved", columns)


def _text(values: list[str]) -> Any:
    return Text(np.arange(len(values), dtype=np.int32), values)


def declare(**attributes: Any) -> type:
    """A strategy class with these attributes beside the usual ones."""
    usual = {"name": "x", "version": "1", "State": Seen, "on_event": Watch.on_event}
    kept = {name: value for name, value in (usual | attributes).items() if value is not None}
    return type("Made", (Strategy,), kept)


@pytest.mark.parametrize("missing", ["name", "version", "State"])
def test_a_strategy_that_does_not_declare_itself_is_refused(missing: str):
    with pytest.raises(TypeError, match=f"Made does not declare {missing}"):
        declare(**{missing: None})


@pytest.mark.parametrize("what", ["name", "version"])
def test_a_name_and_a_version_are_text(what: str):
    with pytest.raises(TypeError, match=f"Made has the {what} 2: it must be text"):
        declare(**{what: 2})


def test_a_strategy_that_takes_in_nothing_is_refused():
    with pytest.raises(TypeError, match="neither on_event nor on_window"):
        declare(on_event=None)


@pytest.mark.parametrize("name", ["time", "known_at", "type", "_x", "7d", "half-life", ""])
def test_an_input_that_no_event_can_have_is_refused(name: str):
    with pytest.raises(TypeError, match="cannot read an input named"):
        declare(inputs={name: float})


@pytest.mark.parametrize("kind", [int, bytes, list, None, "float"])
def test_an_input_of_a_type_that_no_event_has_is_refused(kind: Any):
    with pytest.raises(TypeError, match="declare it as float, str or bool"):
        declare(inputs={"rate": kind})


@pytest.mark.parametrize("none", [int, "x", dict])
def test_parameters_that_are_no_model_are_refused(none: Any):
    with pytest.raises(TypeError, match="Made has Parameters that are none"):
        declare(Parameters=none)


def test_what_a_constructor_raises_is_told_as_a_fault_of_the_parameters():
    def fails(self: Any, parameters: Any) -> None:
        raise KeyError("level")

    with pytest.raises(ParameterInvalid, match=r"strategy 'x' cannot be made .* KeyError: 'level'"):
        declare(__init__=fails).configure({})


def test_parameters_are_filled_in_with_defaults():
    assert Watch.configure({}).parameters.every == 2
    assert Watch.configure({"every": 5}).parameters.every == 5


def test_an_unknown_parameter_is_told_the_nearest():
    with pytest.raises(UnknownName, match=r"'watch'.*'evry'.*did you mean 'every'") as caught:
        Watch.configure({"evry": 3})
    assert isinstance(caught.value, ConfigError)


@pytest.mark.parametrize("value", [0, -1, "x", None, float("nan"), 2.5, [1]])
def test_a_parameter_out_of_its_bounds_is_named(value: Any):
    with pytest.raises(ParameterInvalid, match="strategy 'watch': every = "):
        Watch.configure({"every": value})


def test_parameters_are_finite_and_do_not_change():
    class Bounds(Parameters):
        level: float = 1.0

    kind = declare(Parameters=Bounds)
    for value in (float("inf"), float("nan")):
        with pytest.raises(ParameterInvalid, match="level"):
            kind.configure({"level": value})
    with pytest.raises(ValueError, match="frozen"):
        kind.configure({}).parameters.level = 2.0


def test_the_digest_of_parameters_tells_defaults_from_nothing_and_values_apart():
    digests = {Watch.configure({"every": every}).parameters_digest for every in (1, 2, 3)}
    assert len(digests) == 3
    assert Watch.configure({"every": 2}).parameters_digest == Watch.configure({}).parameters_digest
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in digests)


@given(st.lists(st.floats(0.0, 1.0), max_size=12), st.sampled_from([Watch, Windowed, Both]))
def test_events_and_windows_give_the_same_decisions(values: list[float], kind: type[Strategy]):
    strategy = kind.configure({})
    one, two = strategy.start("pool"), strategy.start("pool")
    by_event = event_by_event(strategy, one, rates(values))
    by_window = list(strategy.on_window(two, rates(values)))
    assert by_event == by_window
    assert one == two


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12), st.integers(0, 12))
def test_a_window_may_be_cut_anywhere(values: list[float], cut: int):
    strategy = Windowed.configure({})
    whole, parts = strategy.start("pool"), strategy.start("pool")
    expected = [decision for _, decision in strategy.on_window(whole, rates(values))]
    decided = [
        decision
        for part in (values[:cut], values[cut:])
        for _, decision in strategy.on_window(parts, rates(part))
    ]
    assert decided == expected


def test_a_strategy_written_for_windows_takes_single_events():
    strategy = Windowed.configure({})
    state = strategy.start("pool")
    (decision,) = strategy.on_event(state, event(0, rate=0.03))
    assert decision.features == {"rate": 0.03, "count": 1}


def test_a_strategy_driven_by_events_knows_its_aggregate():
    strategy = Windowed.configure({})
    decided = event_by_event(strategy, strategy.start("pool"), rates([0.1], "base/usdc"))
    assert decided[0][1].reason == "base/usdc"


def test_on_event_may_return_nothing_one_or_several():
    class Turns(Watch):
        name = "turns"

        def on_event(self, state: Seen, event: Event) -> Decided:
            state.count += 1
            hold = Decision("hold", 0.5)
            return (None, hold, [hold, hold], (), iter([hold]))[state.count - 1]

    strategy = Turns.configure({})
    decided = strategy.on_window(strategy.start("pool"), rates([0.1] * 5))
    assert [row for row, _ in decided] == [1, 2, 2, 4]


def test_an_input_that_is_a_keyword_can_be_read():
    strategy = Follow.configure({})
    time = np.zeros(1, np.int64)
    columns = {"origin": _text(["pool"]), "yield": np.array([3.1])}
    window = Window("USDC", time, time, "YieldOpportunityDetected", columns)
    (one,) = window.events(tuple(strategy.inputs))
    assert (one.origin, one.yield_) == ("pool", 3.1)
    assert Window.of("USDC", one)["yield"].tolist() == [3.1]


def test_states_start_apart():
    @dataclass(slots=True)
    class State:
        seen: dict[str, float]

    strategy = Watch.configure({})
    assert strategy.start("a") == Seen() == strategy.start("b")
    assert strategy.start("a") is not strategy.start("a")
    with pytest.raises(TypeError):
        declare(State=State).configure({}).start("a")


def test_what_authors_import_is_light():
    code = (
        "import sys; before = set(sys.modules); import runtime.deciding;"
        f" print(sorted(set({HEAVY!r}) & (set(sys.modules) - before)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_a_state_codec_takes_the_state_of_every_strategy_here():
    for kind in (Watch, Follow, Windowed):
        codec = StateCodec(kind.State)
        assert codec.decode(codec.encode(Seen(3, 0.5))) == Seen(3, 0.5)
