"""All versions in cluster-configs are the project's and those of the lock."""

from __future__ import annotations

import re

import pytest
import ray

from tests.clusters.manifests import (
    KUBERNETES,
    LAUNCHER,
    cluster,
    locked,
    pods,
    project_version,
    text,
)

FILES = [LAUNCHER, *KUBERNETES]


def test_ray_is_the_locked_one() -> None:
    assert locked("ray") == ray.__version__
    for name in KUBERNETES:
        assert cluster(name)["rayVersion"] == locked("ray")


@pytest.mark.parametrize("name", FILES)
def test_every_mention_of_a_version_agrees(name: str) -> None:
    told = text(name)
    rays = re.findall(r"(?:rayproject/ray:|ray\[default\]==|rayVersion: \")([\d.]+\d)", told)
    lucents = re.findall(r"lucent[-:](\d[\d.]*\d)", told)
    assert rays
    assert lucents
    assert set(rays) == {locked("ray")}
    assert set(lucents) == {project_version()}


@pytest.mark.parametrize("name", KUBERNETES)
def test_every_container_is_of_one_image_in_no_registry(name: str) -> None:
    images = {container["image"] for pod in pods(name) for container in pod["containers"]}
    assert images == {f"lucent:{project_version()}"}
