"""Law 2: decisions of an aggregate stand in the order of their causes, and none waits."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runtime.engine.local import LocalHosts
from runtime.engine.messages import HostAnswered
from runtime.events import read_metadata
from runtime.jobs.control import RunControl
from runtime.jobs.execution import execute
from runtime.jobs.launch import prepare
from runtime.store import SqliteStore
from tests.laws.study import ROOT, arithmetic


class ShuffledHosts(LocalHosts):
    """Hosts whose answers come late, in any order, and sometimes twice."""

    def __init__(self, seed: int, plan: Any, post: Any, load: Any) -> None:
        self._rng = random.Random(seed)
        self._held: list[Any] = []
        self._closed = threading.Event()
        self._deliver = post
        self._thread = threading.Thread(target=self._release)
        super().__init__(plan, self._hold, load)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        super().close()

    def _hold(self, message: Any) -> None:
        self._held.append(message)
        if isinstance(message, HostAnswered) and self._rng.random() < 0.2:
            self._held.append(message)

    def _release(self) -> None:
        while not self._closed.wait(0.001):
            if self._held:
                self._deliver(self._held.pop(self._rng.randrange(len(self._held))))


@pytest.mark.parametrize("seed", range(10))
def test_the_order_in_which_hosts_answer_leaves_no_trace(tmp_path: Path, seed: int) -> None:
    config = arithmetic(tmp_path / "log.db", hosts=5, credit={"batch": 997, "events": 60_000})
    start = partial(ShuffledHosts, seed)
    assert execute(prepare(config), start, RunControl()).root == ROOT


def test_causes_of_every_stream_stand_in_their_order(tmp_path: Path) -> None:
    outcome = execute(prepare(arithmetic(tmp_path / "log.db")), LocalHosts, RunControl())
    positions = defaultdict(list)
    with SqliteStore.open(outcome.store, writer=False) as store:
        for name in store.streams("agent-"):
            for event in store.read_stream(name):
                positions[name].append(int(read_metadata(event.metadata)["position"]))
    assert positions
    assert all(those == sorted(those) for those in positions.values())
