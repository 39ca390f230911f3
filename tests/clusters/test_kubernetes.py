"""The manifests for KubeRay are what its definitions allow, and hang together."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from runtime.identity.keyring import PASSPHRASE_VARIABLE
from runtime.jobs.config import load_config, parse_config
from runtime.jobs.planning import appoint
from tests.clusters.manifests import (
    CONFIGS,
    KUBERNETES,
    cluster,
    complaints,
    documents,
    head,
    job_config,
    mounted,
    pods,
    text,
    workers,
)

HEAD = ("headGroupSpec", "template", "spec")
CONTAINER = (*HEAD, "containers", 0)
GROUP = ("workerGroupSpecs", 0)
GONE = object()

WRONG = [
    (("enableInTreeAutoscalling",), True),
    (("rayVersion",), GONE),
    (("rayVersion",), 2.6),
    (("headGroupSpec", "rayStartParams", "num-cpus"), 0),
    (("headGroupSpec", "template"), GONE),
    (("autoscalerOptions", "version"), "v3"),
    (("autoscalerOptions", "idleTimeoutSeconds"), "60s"),
    (("authOptions", "mode"), "password"),
    ((*GROUP, "maxReplicas"), GONE),
    ((*GROUP, "replicas"), "2"),
    ((*HEAD, "restartPolicy"), "OnFailure"),
    ((*HEAD, "nodeSelctor"), {}),
    ((*HEAD, "securityContext", "runAsUser"), "ray"),
    ((*HEAD, "volumes", 0, "persistentVolumeClaim", "claimName"), GONE),
    ((*HEAD, "volumes", 0, "name"), "Store"),
    ((*CONTAINER, "comand"), []),
    ((*CONTAINER, "resources", "limits", "memory"), "8 GB"),
    ((*CONTAINER, "readinessProbe", "httpGet", "port"), GONE),
    ((*CONTAINER, "env", 0, "valueFrom", "secretKeyRef", "key"), GONE),
    ((*CONTAINER, "securityContext", "allowPrivilegeEscalation"), "false"),
]


@pytest.mark.parametrize("name", KUBERNETES)
def test_every_manifest_is_what_its_definition_allows(name: str) -> None:
    kinds = documents(name)
    assert len(kinds) > 1
    assert [complaint for one in kinds.values() for complaint in complaints(one)] == []


@pytest.mark.parametrize("name", KUBERNETES)
@pytest.mark.parametrize(("path", "value"), WRONG, ids=[str(path[-1]) for path, _ in WRONG])
def test_a_wrong_manifest_is_refused(name: str, path: tuple[Any, ...], value: Any) -> None:
    kinds = documents(name)
    manifest = kinds.get("RayJob") or kinds["RayCluster"]
    spec = manifest["spec"]
    place = spec.get("rayClusterSpec", spec)
    for step in path[:-1]:
        place = place[step]
    if value is GONE:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    assert len(complaints(manifest)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"submissionMode": "K8sMode"},
        {"backOffLimit": 2},
        {"ttlSecondsAfterFinished": "10m"},
        {"shutdownAfterJobFinishes": "yes"},
        {"submitterPodTemplate": {"spec": {}}},
    ],
    ids=str,
)
def test_a_wrong_job_is_refused(change: dict[str, Any]) -> None:
    job = documents("rayjob.yaml")["RayJob"]
    job["spec"] |= change
    assert len(complaints(job)) == 1


@pytest.mark.parametrize("name", KUBERNETES)
def test_the_bounds_are_sane(name: str) -> None:
    assert cluster(name)["enableInTreeAutoscaling"] is True
    group = workers(name)
    assert 0 <= group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    assert group["maxReplicas"] > group["minReplicas"]
    assert cluster(name)["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_the_job_can_have_all_its_hosts() -> None:
    group = workers("rayjob.yaml")
    (container,) = group["template"]["spec"]["containers"]
    cpus = int(container["resources"]["limits"]["cpu"])
    assert job_config()["hosts"]["count"] <= group["maxReplicas"] * cpus


@pytest.mark.parametrize("name", KUBERNETES)
def test_no_container_has_a_privilege(name: str) -> None:
    contexts = [cluster(name)["autoscalerOptions"]["securityContext"]]
    for pod in pods(name):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        contexts += [container["securityContext"] for container in pod["containers"]]
    for context in contexts:
        assert context == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@pytest.mark.parametrize("name", KUBERNETES)
def test_every_container_says_what_it_takes(name: str) -> None:
    all_resources = [cluster(name)["autoscalerOptions"]["resources"]]
    for pod in pods(name):
        all_resources += [container["resources"] for container in pod["containers"]]
    for resources in all_resources:
        assert set(resources["limits"]) == {"cpu", "memory"}
        assert resources["requests"] == resources["limits"]


@pytest.mark.parametrize("name", KUBERNETES)
def test_readiness_is_asked_at_a_port_that_is_there(name: str) -> None:
    for pod in (head(name), workers(name)["template"]["spec"]):
        (container,) = pod["containers"]
        ports = {port["name"] for port in container["ports"]}
        assert container["readinessProbe"]["httpGet"]["port"] in ports
    (container,) = head(name)["containers"]
    assert {"name": "dashboard", "containerPort": 8265} in container["ports"]


@pytest.mark.parametrize("name", KUBERNETES)
def test_only_the_head_has_the_keys_and_their_passphrase(name: str) -> None:
    first, *others = pods(name)
    variable, *plain = first["containers"][0]["env"]
    assert variable["name"] == PASSPHRASE_VARIABLE
    assert set(variable["valueFrom"]) == {"secretKeyRef"}
    assert others[0]["containers"][0]["env"] == plain, "hosts run there"
    assert not any("env" in one for pod in others[1:] for one in pod["containers"])
    for pod in others:
        assert "volumes" not in pod
        assert pod["automountServiceAccountToken"] is False
    assert plain == [{"name": "RAY_worker_niceness", "value": "0"}]


@pytest.mark.parametrize("name", KUBERNETES)
def test_ray_asks_for_its_token_and_is_not_public(name: str) -> None:
    assert cluster(name)["authOptions"] == {"mode": "token"}
    assert cluster(name)["headGroupSpec"]["serviceType"] == "ClusterIP"


def told_settings() -> dict[str, Any]:
    """The lines for a config in the comment of raycluster.yaml."""
    lines = re.findall(r"^#   (\[\w+\]|\w+ = \".*\")$", text("raycluster.yaml"), re.MULTILINE)
    return tomllib.loads("\n".join(lines))


@pytest.mark.parametrize(
    ("name", "settings"), [("raycluster.yaml", told_settings()), ("rayjob.yaml", job_config())]
)
def test_the_head_has_what_the_config_names(name: str, settings: dict[str, Any]) -> None:
    claim = documents(name)["PersistentVolumeClaim"]
    store = mounted(name, settings["store"]["path"])
    assert store["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert "secret" in mounted(name, settings["keys"]["directory"])
    assert settings["hosts"]["address"] == "auto"


def test_the_job_runs_the_config_beside_it() -> None:
    kinds = documents("rayjob.yaml")
    command = shlex.split(kinds["RayJob"]["spec"]["entrypoint"])
    assert command[:2] == ["lucent", "run"]
    path = Path(command[2])
    volume = mounted("rayjob.yaml", str(path))
    assert volume["configMap"]["name"] == kinds["ConfigMap"]["metadata"]["name"]
    assert path.name in kinds["ConfigMap"]["data"]


def test_the_config_in_the_job_is_whole() -> None:
    config = parse_config(job_config(), Path("/etc/lucent/run"))
    assert appoint(config)
    assert all(Path(feed.path).exists() for feed in config.feeds)


def test_the_job_is_the_bundled_one_but_for_its_directories() -> None:
    bundled = load_config(CONFIGS / "aave-v3-daily.toml")
    config = parse_config(job_config(), bundled.base)
    places = {"store": bundled.store, "keys": bundled.keys}
    assert config.model_copy(update=places).model_dump() == bundled.model_dump()


def test_the_job_leaves_its_store_and_tries_again() -> None:
    kinds = documents("rayjob.yaml")
    spec = kinds["RayJob"]["spec"]
    assert spec["shutdownAfterJobFinishes"] is True
    assert spec["backoffLimit"] >= 1
    assert spec["ttlSecondsAfterFinished"] > 0
    assert kinds["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteOncePod"]
