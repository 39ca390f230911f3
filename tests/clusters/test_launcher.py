"""The file for `ray up` is what the installed Ray accepts, and scales between its bounds."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ray.autoscaler import tags
from ray.autoscaler._private.local.node_provider import LocalNodeProvider
from ray.autoscaler._private.node_provider_availability_tracker import NodeAvailabilitySummary
from ray.autoscaler._private.resource_demand_scheduler import ResourceDemandScheduler
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.clusters.manifests import CHECKOUT, launcher, launcher_complaints

COMMANDS = ["setup_commands", "head_start_ray_commands", "worker_start_ray_commands"]
CPUS = 4


def test_ray_accepts_it() -> None:
    prepared = prepare_config(launcher())
    validate_config(prepared)
    assert launcher_complaints(prepared) == []


def test_only_what_ray_moves_elsewhere_is_not_in_the_schema() -> None:
    config = launcher()
    del config["min_workers"]
    assert launcher_complaints(config) == []


@pytest.mark.parametrize(
    "change",
    [
        {"max_worker": 4},
        {"max_workers": "4"},
        {"setup_commands": "pip install lucent"},
        {"setup_commands": [["pip"]]},
        {"file_mounts": ["dist"]},
        {"auth": {"ssh_usr": "lucent"}},
        {"provider": {"type": "local", "worker_ips": "198.51.100.11"}},
        {"provider": {"head_ip": "198.51.100.10"}},
    ],
    ids=str,
)
def test_a_wrong_file_is_refused(change: dict[str, Any]) -> None:
    config = launcher() | change
    del config["min_workers"]
    assert len(launcher_complaints(config)) == 1


def test_the_bounds_are_sane() -> None:
    config = launcher()
    provider = config["provider"]
    assert 1 <= config["min_workers"] < config["max_workers"] <= len(provider["worker_ips"])
    assert provider["head_ip"] not in provider["worker_ips"]


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # Ray's own
@pytest.mark.parametrize(("hosts", "more"), [(0, 0), (CPUS, 0), (CPUS + 1, 1), (1_000, 3)])
def test_workers_are_started_as_hosts_need_them(
    hosts: int, more: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    config = prepare_config(launcher())
    provider, nodes = started_cluster(config)
    there: Any = {node: {"CPU": CPUS, "memory": 1} for node in nodes}
    there[config["provider"]["head_ip"]] = {"memory": 1}
    kind, types = config["head_node_type"], config["available_node_types"]
    scheduler = ResourceDemandScheduler(provider, types, config["max_workers"], kind, 100.0)
    demand: Any = [{"CPU": 1}] * hosts
    launched, _ = scheduler.get_nodes_to_launch(
        nodes, {}, demand, there, [], there, [], NodeAvailabilitySummary({})
    )
    assert sum(launched.values()) == more


def started_cluster(config: dict[str, Any]) -> tuple[Any, list[str]]:
    """The provider with the head and the least number of workers, and their addresses."""
    make: Any = LocalNodeProvider
    provider = make(config["provider"], config["cluster_name"])
    kind = config["head_node_type"]
    least = config["available_node_types"][kind]["min_workers"]
    for role, count in ((tags.NODE_KIND_HEAD, 1), (tags.NODE_KIND_WORKER, least)):
        marks = {tags.TAG_RAY_NODE_KIND: role, tags.TAG_RAY_USER_NODE_TYPE: kind}
        provider.create_node({}, marks, count)
    return provider, provider.non_terminated_nodes({})


@pytest.mark.parametrize("name", COMMANDS)
def test_the_commands_are_shell(name: str) -> None:
    for command in launcher()[name]:
        subprocess.run(["bash", "-n", "-c", command], check=True)


def test_the_head_has_no_host_and_the_autoscaler_that_can_scale() -> None:
    start = launcher()["head_start_ray_commands"][-1].split()
    assert {"--head", "--num-cpus=0", "RAY_enable_autoscaler_v2=0"} <= set(start)
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in start
    assert "--dashboard-host=127.0.0.1" in start


def test_every_node_asks_for_the_token_that_was_sent() -> None:
    config = launcher()
    assert "~/.ray/auth_token" in config["file_mounts"]
    for name in ("head_start_ray_commands", "worker_start_ray_commands"):
        assert "RAY_AUTH_MODE=token" in config[name][-1].split()


def test_what_is_installed_is_what_was_sent() -> None:
    config = launcher()
    *_, install = config["setup_commands"]
    sent = {remote: local for remote, local in config["file_mounts"].items() if "wheels" in remote}
    assert all(remote in install.split() for remote in sent)
    assert (CHECKOUT / sent["~/wheels/requirements.lock"]).exists()
