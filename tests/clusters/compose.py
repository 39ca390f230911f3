"""What compose.yaml starts: its services, their files, and the options of each KurrentDB."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath

import yaml  # type: ignore[import-untyped]

from tests.clusters.manifests import SCHEMAS, Tree, measured, text

COMPOSE = "compose.yaml"
AUTHORITY = "certificates"
SINGLE = "kurrentdb"
NODES = ["kurrentdb-1", "kurrentdb-2", "kurrentdb-3"]
FILES = ["kurrentdb.yaml", "kurrentdb-cluster.yaml"]
DATABASES = [SINGLE, *NODES]
PREFIX = "KURRENTDB_"


def composed() -> Tree:
    """The file as Compose reads it; no part is shared with another."""
    read: Tree = json.loads(json.dumps(yaml.safe_load(text(COMPOSE))))
    return read


def service(name: str) -> Tree:
    """A service."""
    found: Tree = composed()["services"][name]
    return found


def lasting() -> list[str]:
    """The services that stay: all but the one that makes the certificates."""
    return [name for name in composed()["services"] if name != AUTHORITY]


def mounts(name: str) -> dict[str, str]:
    """What a service mounts, by place in its container: `./file`, or a volume's name."""
    parts = [volume.split(":") for volume in service(name)["volumes"]]
    return {target: source for source, target, *_ in parts}


def source(name: str, path: str) -> str:
    """What is at `path` in a service's container, as `mounts` names it; raises if nothing is."""
    for target, found in mounts(name).items():
        if PurePosixPath(path).is_relative_to(target):
            inner = PurePosixPath(path).relative_to(target)
            return f"{found}/{inner}" if inner.parts else found
    raise AssertionError(f"{name} mounts nothing at {path}")


def published(name: str) -> dict[int, int]:
    """The ports of a service's container, each with the port of this machine."""
    parts = [port.rsplit(":", 2) for port in service(name)["ports"]]
    assert {address for address, _, _ in parts} == {"127.0.0.1"}
    return {int(inner): int(outer) for _, outer, inner in parts}


def hosts() -> list[str]:
    """The hosts that certificates are made for."""
    return [entry.partition(":")[0] for entry in service(AUTHORITY)["command"]]


def settings(name: str) -> dict[str, str]:
    """The settings of a file of `key = value` lines."""
    lines = [line.strip() for line in text(name).splitlines()]
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    found = {key.strip(): value.strip() for key, value in pairs}
    assert len(found) == len(pairs)
    return found


def options(file: str) -> Tree:
    """The options in a file of KurrentDB."""
    read: Tree = yaml.safe_load(text(file))
    return read


def option(variable: str) -> str:
    """The option that a variable of KurrentDB's environment sets.

    >>> option("KURRENTDB_NODE_IP")
    'NodeIp'
    """
    return "".join(word.capitalize() for word in variable.removeprefix(PREFIX).split("_"))


def given(name: str) -> Tree:
    """The options that a service's environment sets, of the types that YAML would give them."""
    environment = service(name)["environment"]
    return {option(key): yaml.safe_load(value) for key, value in environment.items()}


def effective(name: str) -> Tree:
    """The options of a KurrentDB that compose.yaml starts: the environment before the file."""
    file = mounts(name)["/etc/kurrentdb/kurrentdb.conf"]
    return options(file.removeprefix("./")) | given(name)


def known(part: str = "file") -> set[str]:
    """The options that a file of KurrentDB may set, or those only its `environment` may."""
    read = json.loads((SCHEMAS / "kurrentdb.json").read_text(encoding="utf-8"))
    return set(read["$defs"][part]["properties"])


def told_options(wanted: Tree) -> list[str]:
    """What the schema has against options of a file of KurrentDB."""
    return measured(wanted, "kurrentdb", "file")


def told_addresses(name: str) -> list[str]:
    """The addresses of stores in a file, comments included; `...` at their ends is left out."""
    return [found.rstrip(".") for found in re.findall(r"esdb://[^\s\"]+@[^\s\"]+", text(name))]
