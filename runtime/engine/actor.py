"""A host in a process of its own, as a Ray actor."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import ray

from runtime.engine.commands import Restore
from runtime.engine.host import Host
from runtime.engine.inheritance import heir, refuse_unreadable
from runtime.engine.ipc import read_ipc
from runtime.engine.plan import RunPlan, build_host, signers
from runtime.engine.signing import sign
from runtime.engine.task import Answer, read_task, write_answer
from runtime.engine.threads import single_threaded
from runtime.errors import LucentError

Groups = tuple[int, ...]


class HostActor:
    """Holds a `Host`; errors of strategies are returned, not raised.

    Synchronous and single-threaded: calls are carried out one by one, in their order.
    """

    def __init__(self, plan: RunPlan) -> None:
        self._plan = plan
        self._keys = signers(plan)
        self._host = Host({})

    def begin(self) -> str | LucentError:
        """Load the strategies; answers where the host is: `node-address:process`."""
        try:
            self._host = build_host(self._plan)
            single_threaded()
        except LucentError as error:
            return error
        util: Any = ray.util
        return f"{util.get_node_ip_address()}:{os.getpid()}"

    def adopt(self, plan: RunPlan) -> LucentError | None:
        """Decide by another plan from now on, without any state yet."""
        try:
            self._plan, self._host = plan, build_host(plan)
        except LucentError as error:
            return error
        return None

    def read_state(self, stage: str, parts: Mapping[int, bytes]) -> LucentError | None:
        """Read state that is to be taken over, and keep nothing of it."""
        try:
            refuse_unreadable(heir(self._plan), stage, parts)
        except LucentError as error:
            return error
        return None

    def restore(self, command: Restore, parts: Mapping[int, bytes]) -> LucentError | None:
        """Hold key groups as a snapshot has them."""
        try:
            self._host.restore(command, parts)
        except LucentError as error:
            return error
        return None

    def forget(self, stage: str, groups: Groups) -> None:
        """Drop the state of key groups."""
        self._host.forget(stage, groups)

    def decide(self, task: bytes, rows: bytes) -> bytes | LucentError:
        """Decide on rows (an Arrow IPC stream), and sign unless the results are known already."""
        stage, mute, careful, release = read_task(task)
        try:
            decided = self._host.decide(stage, read_ipc(rows), careful=careful, release=release)
            if mute:
                results = decided.known
            else:
                together = self._plan.signing_block > 1 and release is None
                results = decided.results(sign(decided.drafts, self._keys, batch=together))
        except LucentError as error:
            return error
        return write_answer(Answer(results, decided.raised))

    def snapshot(self, stage: str, groups: Groups) -> dict[int, bytes] | LucentError:
        """The state of key groups."""
        try:
            return self._host.snapshot(stage, groups)
        except LucentError as error:
            return error
