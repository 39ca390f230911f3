"""Reaching a Ray that runs already; none is ever started here, only what one goes by is said."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib import import_module
from typing import Any

from runtime.errors import ConfigError, RunMissing

AUTO = "auto"
"""The address that stands for the Ray on this machine."""

KNOCK_SECONDS = 3.0
"""How long a machine may take to answer at all."""

_PLACE = re.compile(r"\[?(?P<host>[\w.:-]+?)\]?:(?P<port>\d{1,5})")


RAY_SETTINGS = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_worker_niceness": "0"}
"""What a Ray goes by that is started here, unless the environment says otherwise.

Ray's processes begin at niceness 0 and put themselves down to 15 once they have loaded: each one
that is started would take its processor from the hosts that work, for a quarter of a second.
"""


def settle_ray() -> None:
    """Let a Ray that is started from here go by `RAY_SETTINGS`."""
    for name, value in RAY_SETTINGS.items():
        os.environ.setdefault(name, value)


def rays_here() -> list[str]:
    """The addresses of all Rays that have a node on this machine, sorted."""
    services: Any = import_module("ray._private.services")
    services.find_gcs_addresses.cache_clear()
    return sorted(services.find_gcs_addresses())


def locate(address: str) -> str:
    """The host:port of a Ray; `auto` is the one RAY_ADDRESS names, or the one on this machine.

    Raises `RunMissing` if there is none here, `ConfigError` if there are several.
    """
    wanted = os.environ.get("RAY_ADDRESS", "") if address == AUTO else address
    if wanted not in ("", AUTO):
        return wanted
    here = rays_here()
    if not here:
        raise RunMissing(
            "no Ray runs on this machine, so no run goes on here: start one with"
            " 'lucent run CONFIG', or name another machine's Ray with --address HOST:PORT"
        )
    if len(here) > 1:
        raise ConfigError(
            f"several Rays run on this machine: name one with --address: {', '.join(here)};"
            " for one that 'lucent run' started itself, set RAY_AUTH_MODE=token too"
        )
    return here[0]


def answers(place: str) -> bool:
    """Whether anything listens at host:port; waits a few seconds at most."""
    found = _PLACE.fullmatch(place)
    if found is None:
        return False
    with suppress(OSError, OverflowError):
        where = (found["host"], int(found["port"]))
        with closing(socket.create_connection(where, KNOCK_SECONDS)):
            return True
    return False


@contextmanager
def connected(address: str) -> Iterator[str]:
    """A connection to the Ray at `address` (host:port, or `auto`); gives its host:port.

    Uses the connection there is, if there is one. This machine must be a node of that Ray.
    Raises `RunMissing` if none runs here, `ConfigError` if it cannot be reached.
    """
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "2")
    import ray  # noqa: PLC0415 (takes a second to import)

    if ray.is_initialized():
        yield ray.get_runtime_context().gcs_address
        return
    place = locate(address)
    if not _PLACE.fullmatch(place):
        raise ConfigError(f"--address {place!r} is not like HOST:PORT, as in 10.0.0.5:6379")
    if not answers(place):
        raise ConfigError(f"no Ray answers at {place}: check --address, and that it runs")
    _connect(address, place)
    try:
        yield place
    finally:
        ray.shutdown()


def cpus_there() -> int:
    """How many CPUs the Ray that is connected to has now."""
    ray: Any = import_module("ray")
    return int(ray.cluster_resources().get("CPU", 0))


def _connect(address: str, place: str) -> None:
    """Connect; Ray adds the user's token by itself for `auto` only."""
    import ray  # noqa: PLC0415

    try:
        with _silenced():
            ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        told = f"{error} {error.__cause__}"
        if "InvalidAuthToken" in told or isinstance(error, ray.exceptions.AuthenticationError):
            raise ConfigError(
                f"the Ray at {place} wants a token: set RAY_AUTH_MODE=token, as the user who"
                " started it or with that user's token (RAY_AUTH_TOKEN_PATH)"
            ) from None
        raise ConfigError(
            f"cannot join the Ray at {place}; this machine must be one of its nodes, with the"
            f" same Ray and Python: {str(error).partition(chr(10))[0]}"
        ) from None


@contextmanager
def _silenced() -> Iterator[None]:
    """Let nothing be written to standard error: Ray's core does, past Python."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 (a device)
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
