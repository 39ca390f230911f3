"""The files in cluster-configs, read, and what they are checked against."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray.autoscaler
import yaml  # type: ignore[import-untyped]
from jsonschema import Draft7Validator, Draft202012Validator  # type: ignore[import-untyped]

CHECKOUT = Path(__file__).parents[2]
CONFIGS = CHECKOUT / "cluster-configs"
SCHEMAS = Path(__file__).parent / "schemas"
LAUNCHER = "ray-cluster.yaml"
KUBERNETES = ["raycluster.yaml", "rayjob.yaml"]

Tree = dict[str, Any]


def text(name: str) -> str:
    """A file in cluster-configs as it is, with its comments."""
    return (CONFIGS / name).read_text(encoding="utf-8")


def documents(name: str) -> dict[str, Tree]:
    """The manifests in a file, by kind; a file has one of each.

    Anchors are followed and forgotten, as Kubernetes does: no part is shared with another.
    """
    read = json.loads(json.dumps(list(yaml.safe_load_all(text(name)))))
    kinds = {manifest["kind"]: manifest for manifest in read}
    assert len(kinds) == len(read)
    return kinds


def launcher() -> Tree:
    """What `ray up` reads."""
    read: Tree = yaml.safe_load(text(LAUNCHER))
    return read


def complaints(manifest: Tree) -> list[str]:
    """What the schema of a manifest's kind has against it, by path."""
    kind = manifest["kind"]
    return measured(manifest, "ray.io_v1" if kind.startswith("Ray") else "v1", kind)


def measured(value: object, schema: str, definition: str) -> list[str]:
    """What a definition of a file in `SCHEMAS` has against a value, by path."""
    read = json.loads((SCHEMAS / f"{schema}.json").read_text(encoding="utf-8"))
    found = Draft202012Validator(read | {"$ref": f"#/$defs/{definition}"}).iter_errors(value)
    return [f"{error.json_path}: {error.message}" for error in found]


def launcher_complaints(config: Tree) -> list[str]:
    """What the schema inside the installed Ray has against a launcher's config, by path."""
    file = Path(ray.autoscaler.__file__).with_name("ray-schema.json")
    found = Draft7Validator(json.loads(file.read_text(encoding="utf-8"))).iter_errors(config)
    return [f"{error.json_path}: {error.message}" for error in found]


def cluster(name: str) -> Tree:
    """The spec of the Ray cluster that a file of `KUBERNETES` makes."""
    kinds = documents(name)
    spec: Tree
    if "RayJob" in kinds:
        spec = kinds["RayJob"]["spec"]["rayClusterSpec"]
    else:
        spec = kinds["RayCluster"]["spec"]
    return spec


def head(name: str) -> Tree:
    """The pod of a cluster's head."""
    pod: Tree = cluster(name)["headGroupSpec"]["template"]["spec"]
    return pod


def workers(name: str) -> Tree:
    """A cluster's only group of workers."""
    (group,) = cluster(name)["workerGroupSpecs"]
    found: Tree = group
    return found


def pods(name: str) -> Iterator[Tree]:
    """Every pod that a file describes."""
    yield head(name)
    yield workers(name)["template"]["spec"]
    job = documents(name).get("RayJob")
    if job is not None:
        yield job["spec"]["submitterPodTemplate"]["spec"]


def mounted(name: str, path: str) -> Tree:
    """The volume of the head in which `path` lies; raises if there is none."""
    pod = head(name)
    (container,) = pod["containers"]
    for mount in container["volumeMounts"]:
        if Path(path).is_relative_to(mount["mountPath"]):
            (volume,) = [one for one in pod["volumes"] if one["name"] == mount["name"]]
            found: Tree = volume
            return found
    raise AssertionError(f"{path} is on no volume of the head")


def job_config() -> Tree:
    """The config inside the job, as TOML reads it."""
    (toml,) = documents("rayjob.yaml")["ConfigMap"]["data"].values()
    return tomllib.loads(toml)


def project_version() -> str:
    """Lucent's version."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version: str = project["version"]
    return version


def locked(package: str) -> str:
    """The version of a package in requirements.lock."""
    lock = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
    (version,) = re.findall(rf"^{package}==(\S+)", lock, re.MULTILINE)
    found: str = version
    return found
