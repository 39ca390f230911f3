"""The Ray shell: the supervisor in a named actor, each host in an actor of its own.

Hosts are synchronous and single-threaded, and Ray neither restarts them nor repeats a call
(`max_restarts=0`, `max_task_retries=0`): what a host was given must not be decided twice behind
the supervisor's back. A host that dies ends the run, which can then be resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

import pyarrow as pa
import ray
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from runtime.engine.host import Host, sign
from runtime.engine.messages import HostAnswered, Results, Send, SnapshotTaken, TakeSnapshot
from runtime.engine.plan import RunPlan, build_host, signers
from runtime.engine.runner import Post
from runtime.engine.threads import single_threaded
from runtime.errors import HostDied, LucentError

NAMESPACE = "lucent"
"""The Ray name space of all Lucent actors."""

T = TypeVar("T")


class HostActor:
    """A host in a process of its own; errors of strategies are returned, not raised."""

    def __init__(self, plan: RunPlan) -> None:
        self._plan = plan
        self._keys = signers(plan)
        self._host = Host({})

    def begin(self, states: Mapping[str, Mapping[int, bytes]]) -> LucentError | None:
        """Load the strategies and restore their state; answers once the host is there."""
        try:
            self._host = build_host(self._plan)
            single_threaded()
            for stage, parts in states.items():
                self._host.restore(stage, parts)
        except LucentError as error:
            return error
        return None

    def decide(self, stage: str, rows: pa.Buffer) -> Results | LucentError:
        """Decide on rows sent as an Arrow IPC stream, and sign."""
        try:
            with pa.ipc.open_stream(rows) as reader:
                batch = reader.read_next_batch()
            return sign(self._host.decide(stage, batch), self._keys)
        except LucentError as error:
            return error

    def snapshot(self, stage: str) -> dict[int, bytes] | LucentError:
        """The state of a stage by key group."""
        try:
            return self._host.snapshot(stage)
        except LucentError as error:
            return error


class RayHosts:
    """The hosts of a run as Ray actors, one CPU each.

    A host that dies ends the run with `HostDied`. `states` gives each stage's snapshot parts.
    """

    def __init__(
        self, plan: RunPlan, post: Post, states: Mapping[str, Mapping[int, bytes]]
    ) -> None:
        self._post = post
        actor: Any = ray.remote(HostActor)
        actor = actor.options(num_cpus=1, max_restarts=0, max_task_retries=0)
        self._actors: list[Any] = [actor.remote(plan) for _ in range(plan.hosts)]
        try:
            self._begin(plan, states)
        except BaseException:
            self.close()
            raise

    def _begin(self, plan: RunPlan, states: Mapping[str, Mapping[int, bytes]]) -> None:
        begun = [
            actor.begin.remote(
                {stage: plan.share(number, parts) for stage, parts in states.items()}
            )
            for number, actor in enumerate(self._actors)
        ]
        try:
            errors = [error for error in ray.get(begun) if error is not None]
        except RayActorError as error:
            raise HostDied(f"a host could not start: {error}") from error
        if errors:
            raise errors[0]

    def send(self, command: Send) -> None:
        """Send a part to its host; never waits."""
        actor = self._actors[command.host]
        reference = actor.decide.remote(command.stage, _ipc(command.rows))
        self._then(
            reference,
            command.host,
            lambda results: HostAnswered(command.stage, command.seq, command.host, results),
        )

    def snapshot(self, command: TakeSnapshot) -> None:
        """Ask a host for a snapshot; it works on it behind all parts sent before."""
        reference = self._actors[command.host].snapshot.remote(command.stage)
        self._then(
            reference,
            command.host,
            lambda parts: SnapshotTaken(command.stage, command.seq, command.host, parts),
        )

    def close(self) -> None:
        """End the host processes."""
        for actor in self._actors:
            ray.kill(actor)

    def _then(self, reference: Any, host: int, message: Callable[[Any], Any]) -> None:
        def arrived(future: Any) -> None:
            error = future.exception()
            if error is not None:
                died = f"host {host} died: {error}; run the same command to resume"
                self._post(HostDied(died) if isinstance(error, RayActorError) else error)
                return
            answer = future.result()
            self._post(answer if isinstance(answer, LucentError) else message(answer))

        reference.future().add_done_callback(arrived)


def _ipc(rows: pa.RecordBatch) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_batch(rows)
    return sink.getvalue()


class Control(Protocol):
    """What a run under way can be asked for, from another thread."""

    def drain(self) -> None:
        """Ask for an orderly stop."""

    def status(self) -> Any:
        """How the run stands."""


class SupervisorActor(Generic[T]):
    """Carries a run out in an actor; `status` and `drain` answer while `run` is under way."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def run(self, work: Callable[[Any], T]) -> T | LucentError:
        """Carry out `work(control)`; errors are returned, not raised."""
        try:
            return work(self._control)
        except LucentError as error:
            return error

    def status(self) -> Any:
        """How the run stands."""
        return self._control.status()

    def drain(self) -> None:
        """Ask for an orderly stop."""
        self._control.drain()


def start_supervisor(name: str, control: Control) -> Any:
    """The supervisor actor of the run `name`, on the caller's node: there its store lies.

    Raises Ray's `ValueError` if there is one of that name already.
    """
    here = ray.get_runtime_context().get_node_id()
    actor: Any = ray.remote(SupervisorActor)
    actor = actor.options(
        name=f"lucent-{name}",
        namespace=NAMESPACE,
        num_cpus=0,
        max_concurrency=4,
        max_restarts=0,
        max_task_retries=0,
        scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False),
    )
    return actor.remote(control)
