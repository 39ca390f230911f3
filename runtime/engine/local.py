"""The local shell: all hosts in this process, signatures on all its cores."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from runtime.engine.commands import (
    Forget,
    HostsCommand,
    ReadState,
    Restore,
    Send,
    StartHost,
    StopHost,
    Switch,
    TakeSnapshot,
)
from runtime.engine.host import Host
from runtime.engine.inheritance import heir, refuse_unreadable
from runtime.engine.messages import HostAnswered, HostReady, HostRefused, SnapshotTaken, StateRead
from runtime.engine.plan import RunPlan, build_host, signers
from runtime.engine.results import Results
from runtime.engine.runner import Load, Post
from runtime.engine.signing import Drafts, sign
from runtime.engine.threads import single_threaded
from runtime.errors import LucentError


class LocalHosts:
    """Hosts that decide in the caller's thread; commands return when they are carried out."""

    def __init__(self, plan: RunPlan, post: Post, load: Load) -> None:
        self._plan, self._post, self._load = plan, post, load
        self._plans = {0: plan}
        self._editions: dict[int, int] = {}
        self._hosts: dict[int, Host] = {}
        self._keys = signers(plan)
        self._cores = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._cores, "lucent-signer")

    def prepare(self, edition: int, plan: RunPlan) -> None:
        """Let hosts of `edition` decide by this plan."""
        self._plans[edition] = plan

    def carry_out(self, command: HostsCommand) -> None:
        """Carry a command out and post what came of it."""
        match command:
            case StartHost():
                self._start(command)
            case StopHost():
                self._hosts.pop(command.host, None)
                self._editions.pop(command.host, None)
            case Switch():
                self._switch(command)
            case ReadState():
                self._read_state(command)
            case Restore():
                parts = self._load(command)
                self._hosts[command.host].restore(command, parts)
            case Forget():
                self._hosts[command.host].forget(command.stage, command.groups)
            case Send():
                self._decide(command)
            case TakeSnapshot():
                self._snapshot(command)

    def close(self) -> None:
        """End the signing threads."""
        self._pool.shutdown()

    def _start(self, command: StartHost) -> None:
        host = command.host
        try:
            self._hosts[host] = build_host(self._plans[command.edition])
        except LucentError as error:
            self._post(HostRefused(host, error))
            return
        self._editions[host] = command.edition
        single_threaded()
        self._post(HostReady(host))

    def _switch(self, command: Switch) -> None:
        plan = self._plans[command.edition] = self._plans[command.edition].decided(command.since)
        for host, edition in self._editions.items():
            if edition == command.edition:
                self._hosts[host] = build_host(plan)

    def _read_state(self, command: ReadState) -> None:
        host = command.host
        try:
            inheriting = heir(self._plans[self._editions[host]])
            refuse_unreadable(inheriting, command.stage, self._load(command))
        except LucentError as error:
            self._post(HostRefused(host, error))
        else:
            self._post(StateRead(host, command.ticket))

    def _decide(self, command: Send) -> None:
        host = self._hosts[command.host]
        decided = host.decide(
            command.stage, command.rows, careful=command.careful, release=command.release
        )
        if command.mute:
            results = decided.known
        else:
            results = decided.results(self._sign(decided.drafts, command))
        place = (command.stage, command.seq, command.host, command.ticket)
        self._post(HostAnswered(*place, results, decided.raised, command.piece))

    def _sign(self, drafts: Drafts, command: Send) -> Results:
        batch = self._plan.signing_block > 1 and command.release is None
        if batch:
            return sign(drafts, self._keys, batch=True)
        return sign(drafts, self._keys, self._pool.map, self._cores)

    def _snapshot(self, command: TakeSnapshot) -> None:
        parts = self._hosts[command.host].snapshot(command.stage, command.groups)
        self._post(
            SnapshotTaken(command.stage, command.barrier, command.host, command.ticket, parts)
        )
