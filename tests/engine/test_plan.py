from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.engine.cursor import read_stage_cursor, stage_cursor
from runtime.engine.ipc import write_ipc
from runtime.engine.plan import (
    AgentPlan,
    RunPlan,
    StagePlan,
    build_host,
    imprint,
    signers,
    strategy_class,
)
from runtime.errors import ConfigError, RunConflict, StoreDamaged, UnknownName
from runtime.identity import SigningKey, VerifyingKey
from tests.support.rows import observed
from tests.support.strategies import HERE, Watch

SECRET = bytes(range(100, 132))


def plan(strategy: str = f"{HERE}:Watch", **parameters: object) -> RunPlan:
    agent = AgentPlan("watcher", 0, strategy, parameters, SigningKey.from_seed(SECRET))
    stage = StagePlan("watcher", (agent,), ("PoolRateObserved",), "aggregate", {})
    return RunPlan("study", "run-id", (stage,), {"rates": "aave"})


def test_a_plan_can_be_sent_to_any_process():
    sent = pickle.loads(pickle.dumps(plan(every=3)))
    assert sent.agents[0].parameters == {"every": 3}
    message = b"x"
    did = SigningKey.from_seed(SECRET).did
    assert VerifyingKey.of(did).verifies(signers(sent)["watcher"](message), message)
    rows = observed(["a"] * 6, rate=[0.1] * 6)
    assert build_host(sent).decide("watcher", rows) == build_host(plan(every=3)).decide(
        "watcher", rows
    )


def test_a_plan_shows_no_private_key():
    for form in (SECRET.hex(), repr(SECRET)[2:-1]):
        assert form not in repr(plan())
    assert "did:key:z6Mk" in repr(plan())


def test_a_strategy_is_found_by_module_and_class():
    assert strategy_class(f"{HERE}:Watch") is Watch


@pytest.mark.parametrize(
    "reference",
    ["", ":", "nowhere:X", f"{HERE}:Nothing", f"{HERE}:", f"{HERE}:Seen", f"{HERE}:HERE", ":Watch"],
)
def test_what_is_no_strategy_is_refused(reference: str):
    with pytest.raises(ConfigError, match=r"strategy|Strategy"):
        strategy_class(reference)


def test_what_a_module_raises_when_it_is_asked_for_a_name_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    text = "def __getattr__(name):\n    raise ModuleNotFoundError('needs more')\n"
    (tmp_path / "lazily.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"cannot load strategy 'lazily:X': .* needs more"):
        strategy_class("lazily:X")


def test_a_host_refuses_code_that_is_not_what_its_plan_was_made_of():
    (stage,) = (made := plan(every=3)).stages
    stamp = imprint(Watch.configure({"every": 3}))
    wrong = {"name": "other", "version": "other", "parameters": "0" * 16, "code": "0" * 64}
    for field, found in wrong.items():
        agent = replace(stage.agents[0], stamp=stamp | {field: found})
        changed = replace(made, stages=(replace(stage, agents=(agent,)),))
        with pytest.raises(RunConflict, match=rf"'watcher' decides with .*{found[:8]}.*, but"):
            build_host(changed)
    agent = replace(stage.agents[0], stamp=stamp)
    build_host(replace(made, stages=(replace(stage, agents=(agent,)),)))


def test_a_host_of_a_plan_checks_its_parameters():
    with pytest.raises(UnknownName, match="did you mean 'every'"):
        build_host(plan(evry=3))


def test_where_a_stage_can_go_on_is_kept_as_text():
    cursor = stage_cursor(2**60, '{"row": 5}')
    assert read_stage_cursor(cursor) == (2**60, '{"row": 5}')


@pytest.mark.parametrize("cursor", ["", "x", "{}", "[]", '{"position": "x", "feed": ""}', "5"])
def test_a_place_that_cannot_be_read_is_damage(cursor: str):
    with pytest.raises(StoreDamaged, match="restore the store"):
        read_stage_cursor(cursor)


def test_a_host_imports_nothing_while_it_decides_on_its_first_rows():
    program = """
import sys
from tests.engine.test_plan import plan
from runtime.engine.ipc import read_ipc
from runtime.engine.plan import build_host
rows = read_ipc(sys.stdin.buffer.read())
host = build_host(plan(every=3))
before = set(sys.modules)
assert host.decide("watcher", rows).drafts
print(*sorted(set(sys.modules) - before))
"""
    rows = write_ipc(observed(["a"] * 6, rate=[0.1] * 6)).to_pybytes()
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, input=rows, capture_output=True, check=True)
    assert done.stdout.split() == []
