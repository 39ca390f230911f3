"""The local shell: all hosts in this process, signatures on all its cores."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from runtime.engine.host import Host, sign
from runtime.engine.messages import HostAnswered, Send, SnapshotTaken, TakeSnapshot
from runtime.engine.plan import RunPlan, build_host, signers
from runtime.engine.runner import Post
from runtime.engine.threads import single_threaded


class LocalHosts:
    """Hosts that decide in the caller's thread; commands return when they are carried out.

    `states` gives each stage's snapshot parts to restore.
    """

    def __init__(
        self, plan: RunPlan, post: Post, states: Mapping[str, Mapping[int, bytes]]
    ) -> None:
        self._hosts: list[Host] = [build_host(plan) for _ in range(plan.hosts)]
        single_threaded()
        self._post = post
        self._keys = signers(plan)
        self._cores = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._cores, "lucent-signer")
        for stage, parts in states.items():
            for number, host in enumerate(self._hosts):
                host.restore(stage, plan.share(number, parts))

    def send(self, command: Send) -> None:
        """Decide on a part, sign, and post the answer."""
        drafts = self._hosts[command.host].decide(command.stage, command.rows)
        results = sign(drafts, self._keys, self._pool.map, self._cores)
        self._post(HostAnswered(command.stage, command.seq, command.host, results))

    def snapshot(self, command: TakeSnapshot) -> None:
        """Take a snapshot and post it."""
        parts = self._hosts[command.host].snapshot(command.stage)
        self._post(SnapshotTaken(command.stage, command.seq, command.host, parts))

    def close(self) -> None:
        """End the signing threads."""
        self._pool.shutdown()
