"""The addresses in cluster-configs are those that compose.yaml answers on."""

from __future__ import annotations

from pathlib import Path

import pytest
from esdbclient.connection_spec import ConnectionSpec

from runtime.jobs.config import load_config
from runtime.store import is_address
from tests.clusters.compose import COMPOSE, NODES, SINGLE, mounts, published, told_addresses
from tests.clusters.manifests import CONFIGS

CONFIG = "aave-v3-daily-kurrentdb.toml"
ADDRESSES = [(name, one) for name in (COMPOSE, CONFIG) for one in told_addresses(name)]


def answering(*names: str) -> list[str]:
    """Where the KurrentDBs of compose.yaml are reached from this machine."""
    return [f"localhost:{port}" for name in names for port in published(name).values()]


def test_the_run_is_kept_in_the_database_that_is_started() -> None:
    config = load_config(CONFIGS / CONFIG)
    assert is_address(config.store_place)
    spec = ConnectionSpec(str(config.store_place))
    assert list(spec.targets) == answering(SINGLE)
    assert spec.options.Tls is True
    assert spec.options.TlsVerifyCert is True
    ca = mounts(SINGLE)["/etc/kurrentdb/ca"]
    assert spec.options.TlsCaFile == str(Path(CONFIGS.name, ca, "ca.crt"))


def test_the_job_is_the_bundled_one_but_for_its_store_and_hosts() -> None:
    bundled = load_config(CONFIGS / "aave-v3-daily.toml")
    config = load_config(CONFIGS / CONFIG)
    places = {"store": bundled.store, "hosts": bundled.hosts}
    assert config.model_copy(update=places).model_dump() == bundled.model_dump()


@pytest.mark.parametrize(("name", "address"), ADDRESSES)
def test_every_address_that_is_told_is_answered(name: str, address: str) -> None:
    spec = ConnectionSpec(address.partition("?")[0])
    assert list(spec.targets) in (answering(SINGLE), answering(*NODES))


def test_both_files_tell_of_the_node_and_of_the_cluster() -> None:
    for name in (COMPOSE, CONFIG):
        counts = {
            len(ConnectionSpec(one.partition("?")[0]).targets) for one in told_addresses(name)
        }
        assert counts == {1, len(NODES)}
