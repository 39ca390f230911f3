"""The supervisor's actor: a run that other processes of the cluster can reach by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from runtime.engine.results import Who
from runtime.errors import LucentError

NAMESPACE = "lucent"
"""The Ray name space of all Lucent actors."""

T = TypeVar("T")


class Control(Protocol):
    """What a run under way can be asked for, from another thread."""

    def drain(self) -> None:
        """Take nothing more in until `resume`."""

    def resume(self) -> None:
        """Take in again."""

    def stop(self) -> None:
        """Ask for an orderly end."""

    def scale(self, hosts: int) -> None:
        """Ask for another number of hosts."""

    def withdraw(self) -> None:
        """Give up the upgrade under way."""

    def release(self, who: Who, *, drop: bool = False) -> None:
        """Let an aggregate in quarantine go on."""

    def status(self) -> Any:
        """How the run stands."""


class SupervisorActor(Generic[T]):
    """Carries a run out in an actor; the other methods answer while `run` is under way."""

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

    def scale(self, hosts: int) -> None:
        """Ask for another number of hosts."""
        self._control.scale(hosts)

    def withdraw(self) -> None:
        """Give up the upgrade under way."""
        self._control.withdraw()

    def release(self, who: Who, drop: bool) -> None:  # noqa: FBT001 (Ray passes it by place)
        """Let an aggregate in quarantine go on."""
        self._control.release(who, drop=drop)

    def drain(self) -> None:
        """Take nothing more in until `resume`."""
        self._control.drain()

    def resume(self) -> None:
        """Take in again."""
        self._control.resume()

    def stop(self) -> None:
        """Ask for an orderly end."""
        self._control.stop()


def start_supervisor(run: str, control: Control) -> Any:
    """The supervisor actor of a run, on the caller's node: there its store lies.

    Raises Ray's `ValueError` if there is one of that name already.
    """
    here = ray.get_runtime_context().get_node_id()
    actor: Any = ray.remote(SupervisorActor)
    actor = actor.options(
        name=_name(run),
        namespace=NAMESPACE,
        num_cpus=0,
        max_concurrency=8,
        max_restarts=0,
        max_task_retries=0,
        scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False),
    )
    return actor.remote(control)


def find_supervisor(run: str) -> Any:
    """The supervisor actor of a run that is going on; `ValueError` if there is none."""
    return ray.get_actor(_name(run), namespace=NAMESPACE)


def runs_going_on() -> list[str]:
    """The names of the runs that have a supervisor on this cluster, sorted."""
    prefix = _name("")
    named = ray.util.list_named_actors(all_namespaces=True)
    return sorted(
        one["name"].removeprefix(prefix)
        for one in named
        if one["namespace"] == NAMESPACE and one["name"].startswith(prefix)
    )


def _name(run: str) -> str:
    return f"lucent-{run}"
