"""The local shell: all hosts in this process, signatures in a thread beside them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from runtime.engine.host import Drafts, Host, sign
from runtime.engine.messages import HostAnswered, Send, SnapshotTaken, TakeSnapshot
from runtime.engine.plan import RunPlan, build_host, signers
from runtime.engine.runner import Post
from runtime.engine.threads import single_threaded


class LocalHosts:
    """Hosts that decide in the caller's thread; `send` returns when the part is decided.

    Signing needs no interpreter lock, so it goes on beside the next part. `states` gives
    each stage's snapshot parts to restore.
    """

    def __init__(
        self, plan: RunPlan, post: Post, states: Mapping[str, Mapping[int, bytes]]
    ) -> None:
        self._hosts: list[Host] = [build_host(plan) for _ in range(plan.hosts)]
        single_threaded()
        self._post = post
        self._keys = signers(plan)
        self._signer = ThreadPoolExecutor(1, "lucent-signer")
        for stage, parts in states.items():
            for number, host in enumerate(self._hosts):
                host.restore(stage, plan.share(number, parts))

    def send(self, command: Send) -> None:
        """Decide on a part now; its answer is posted when it is signed."""
        drafts = self._hosts[command.host].decide(command.stage, command.rows)
        self._signer.submit(self._answer, command, drafts)

    def snapshot(self, command: TakeSnapshot) -> None:
        """Take a snapshot now; it is posted behind all answers before it."""
        parts = self._hosts[command.host].snapshot(command.stage)
        taken = SnapshotTaken(command.stage, command.seq, command.host, parts)
        self._signer.submit(self._post, taken)

    def close(self) -> None:
        """Wait for the signatures under way."""
        self._signer.shutdown()

    def _answer(self, command: Send, drafts: Drafts) -> None:
        results = sign(drafts, self._keys)
        self._post(HostAnswered(command.stage, command.seq, command.host, results))
