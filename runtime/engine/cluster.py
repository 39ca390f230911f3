"""The Ray shell: each host in an actor of its own.

Ray neither restarts actors nor repeats calls (`max_restarts=0`, `max_task_retries=0`): what
a host was given must not be decided twice behind the supervisor's back. Whatever happens to
a host, the supervisor is told that it is lost, and does what is to be done.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Timer
from typing import Any

import ray
from ray.exceptions import (
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    WorkerCrashedError,
)

from runtime.engine.actor import HostActor
from runtime.engine.commands import (
    Forget,
    HostCommand,
    HostsCommand,
    ReadState,
    Restore,
    Send,
    StartHost,
    StopHost,
    Switch,
    TakeSnapshot,
)
from runtime.engine.dictionaries import SMALL
from runtime.engine.ipc import write_ipc
from runtime.engine.messages import (
    HostAnswered,
    HostLost,
    HostReady,
    HostRefused,
    Message,
    SnapshotTaken,
    StateRead,
)
from runtime.engine.plan import RunPlan
from runtime.engine.runner import Load, Post
from runtime.engine.task import Task, read_answer, write_task
from runtime.errors import LucentError, SnapshotDamaged

LOST = (RayActorError, NodeDiedError, ObjectLostError, OutOfMemoryError, WorkerCrashedError)
"""What Ray says when a process is gone, or when it cannot tell."""


class RayHosts:
    """The hosts of a run as Ray actors, one CPU each; a pending one waits for a node to come."""

    def __init__(self, plan: RunPlan, post: Post, load: Load) -> None:
        self._post, self._load = post, load
        self._plans = {0: plan}
        self._editions: dict[int, int] = {}
        self._actors: dict[int, Any] = {}
        self._timers: list[Timer] = []
        actor: Any = ray.remote(HostActor)
        self._kind = actor.options(num_cpus=1, max_restarts=0, max_task_retries=0)

    def prepare(self, edition: int, plan: RunPlan) -> None:
        """Let hosts of `edition` decide by this plan."""
        self._plans[edition] = plan

    def carry_out(self, command: HostsCommand) -> None:
        """Hand a command to its host; never waits. What comes of it is posted later."""
        match command:
            case StartHost():
                self._start(command)
            case StopHost():
                self._stop(command)
            case Switch():
                self._switch(command)
            case _ if command.host in self._actors:
                self._give(self._actors[command.host], command)

    def close(self) -> None:
        """End the host processes."""
        for timer in self._timers:
            timer.cancel()
        for actor in self._actors.values():
            ray.kill(actor)

    def _start(self, command: StartHost) -> None:
        actor = self._kind.remote(self._plans[command.edition])
        self._actors[command.host] = actor
        self._editions[command.host] = command.edition
        if not command.after:
            self._begin(command.host, actor)
            return
        timer = Timer(command.after, self._begin, (command.host, actor))
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def _begin(self, host: int, actor: Any) -> None:
        self._then(
            actor.begin.remote(),
            host,
            lambda place: HostReady(host, place),
            lambda error: HostRefused(host, error),
        )

    def _switch(self, command: Switch) -> None:
        plan = self._plans[command.edition] = self._plans[command.edition].decided(command.since)
        for host, edition in self._editions.items():
            if edition == command.edition:
                self._then(self._actors[host].adopt.remote(plan), host, None)

    def _stop(self, command: StopHost) -> None:
        actor = self._actors.pop(command.host, None)
        self._editions.pop(command.host, None)
        if actor is None:
            return
        if command.gently:
            actor.__ray_terminate__.remote()
        else:
            ray.kill(actor)

    def _give(self, actor: Any, command: HostCommand) -> None:
        host = command.host
        match command:
            case ReadState():
                self._read_state(actor, command)
            case Restore():
                self._then(actor.restore.remote(command, self._load(command)), host, None)
            case Forget(stage=stage, groups=groups):
                self._then(actor.forget.remote(stage, groups), host, None)
            case Send():
                task = Task(command.stage, command.mute, command.careful, command.release)
                rows = write_ipc(command.rows, SMALL).to_pybytes()
                decided = actor.decide.remote(write_task(task), rows)
                self._then(decided, host, partial(_answered, command))
            case TakeSnapshot(stage=stage, barrier=barrier, ticket=ticket):
                self._then(
                    actor.snapshot.remote(stage, command.groups),
                    host,
                    lambda parts: SnapshotTaken(stage, barrier, host, ticket, parts),
                )

    def _read_state(self, actor: Any, command: ReadState) -> None:
        host, ticket = command.host, command.ticket
        try:
            parts = self._load(command)
        except SnapshotDamaged as error:
            self._post(HostRefused(host, error))
            return
        self._then(
            actor.read_state.remote(command.stage, parts),
            host,
            lambda _: StateRead(host, ticket),
            lambda error: HostRefused(host, error),
        )

    def _then(
        self,
        reference: Any,
        host: int,
        message: Callable[[Any], Message] | None,
        refused: Callable[[LucentError], Message | LucentError] = lambda error: error,
    ) -> None:
        def arrived(future: Any) -> None:
            error = future.exception()
            if error is not None:
                lost = isinstance(error, LOST)
                self._post(HostLost(host, cause_of(error)) if lost else error)
                return
            try:
                answer = future.result()
                if isinstance(answer, LucentError):
                    self._post(refused(answer))
                elif message is not None:
                    self._post(message(answer))
            except Exception as broken:  # noqa: BLE001 (nobody else would be told)
                self._post(broken)

        reference.future().add_done_callback(arrived)


def cause_of(error: Exception) -> str:
    r"""Why a process of Ray's is gone, on one line: what Ray says behind the fields it lists.

    >>> cause_of(RuntimeError("The actor died.\n\tpid: 7\nIts worker process has died."))
    'Its worker process has died'
    """
    said = [line.strip() for line in str(error).splitlines() if not line.startswith("\t")]
    return " ".join(said[1:] or said).strip().rstrip(".")


def _answered(command: Send, answer: bytes) -> HostAnswered:
    results, raised = read_answer(answer)
    place = (command.stage, command.seq, command.host, command.ticket)
    return HostAnswered(*place, results, raised, command.piece)
