"""What `lucent new strategy` writes."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from keyword import iskeyword

from runtime.errors import ConfigError

_STRATEGY = '''"""{title}: decides when the supply rate of a pool crosses a level."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field
from runtime.deciding import Decided, Decision, Event, Parameters, Strategy


class {kind}Parameters(Parameters):
    """`level` is a rate, as a fraction a year."""

    level: float = Field(0.05, gt=0.0, le=1.0)


@dataclass(slots=True)
class {kind}State:
    """Whether the rate was above the level at the last event."""

    above: bool = False


class {kind}(Strategy[{kind}State]):
    """Enters a pool when its rate rises above a level, and leaves when it falls below."""

    name = "{name}"
    version = "1"
    inputs = {{"rate": float}}
    Parameters = {kind}Parameters
    State = {kind}State

    def on_event(self, state: {kind}State, event: Event) -> Decided:
        """Take in one observation of the pool."""
        level = self.parameters.level
        above = event.rate >= level
        if above == state.above:
            return None
        state.above = above
        return Decision(
            "enter_position" if above else "exit_position",
            confidence=0.5,
            apr=event.rate,
            reason="the supply rate crossed the level",
            features={{"rate": event.rate}},
            thresholds={{"level": level}},
        )
'''

_TEST = '''"""Tests of {title}: what it decides, and that it keeps the chunk and replay laws."""

from __future__ import annotations

from runtime.deciding import StateCodec, event
from {module} import {kind}

RATES = [0.01, 0.06, 0.07, 0.02, 0.08]


def decide(strategy: {kind}, rates: list[float], state: object = None) -> list[str]:
    state = strategy.start("pool") if state is None else state
    decided = [strategy.on_event(state, event(0, rate=rate)) for rate in rates]
    return [decision.action for decision in decided if decision is not None]


def test_enters_above_the_level_and_leaves_below() -> None:
    strategy = {kind}.configure({{"level": 0.05}})
    assert decide(strategy, RATES) == ["enter_position", "exit_position", "enter_position"]


def test_goes_on_from_a_snapshot_as_if_nothing_had_happened() -> None:
    strategy, codec = {kind}.configure({{}}), StateCodec({kind}.State)
    for cut in range(len(RATES)):
        state = strategy.start("pool")
        first = decide(strategy, RATES[:cut], state)
        restored = codec.decode(codec.encode(state))
        assert first + decide(strategy, RATES[cut:], restored) == decide(strategy, RATES)
'''

_CONFIG = """# Runs {title} over a year of Aave v3 rates that come with Lucent.

[run]
name = "{name}"

[store]
path = "{name}.db"

[keys]
demo = true             # for your own keys: directory = "keys", and `lucent keys create --for`

[hosts]
count = 2
shell = "local"         # "ray" runs each host in a process of its own

[[feeds]]
name = "aave-v3"
path = "package:agents.samples/aave-v3-daily/aave_v3_daily.parquet"
event_type = "PoolRateObserved"
aggregate = ["network", "asset_address"]
event_time = {{ column = "generated_at", unit = "iso" }}
columns = {{ rate = "current_liquidity_rate", symbol = "symbol" }}

[[agents]]
name = "{name}"
strategy = "{module}:{kind}"
listens = ["PoolRateObserved"]
parameters = {{ level = 0.05 }}
"""


def strategy_files(name: str) -> dict[str, str]:
    """The files of a new strategy by name: its module, its test, and a config that runs it.

    Raises `ConfigError` unless `name` is made of lower-case words joined by dashes.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", name):
        raise ConfigError(f"{name!r} is not a name like 'my-strategy': lower case, digits, dashes")
    module = name.replace("-", "_")
    words = {
        "name": name,
        "module": module,
        "kind": "".join(word.capitalize() for word in name.split("-")),
        "title": name.replace("-", " "),
    }
    texts = {f"{module}.py": _STRATEGY, f"test_{module}.py": _TEST, f"{name}.toml": _CONFIG}
    return {path: text.format(**words) for path, text in texts.items()}


def check_free(name: str) -> None:
    """Raise `ConfigError` if the module of a new strategy would hide another, or not load."""
    module = name.replace("-", "_")
    if iskeyword(module) or module in sys.stdlib_module_names or find_spec(module) is not None:
        raise ConfigError(f"{module!r} is a module or a word of Python already: choose another")
