"""The files for KurrentDB are options that it knows today, and make nodes that find each other."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.clusters.compose import (
    DATABASES,
    FILES,
    NODES,
    PREFIX,
    effective,
    given,
    known,
    option,
    options,
    published,
    source,
    told_options,
)
from tests.clusters.manifests import measured, text

SEED: dict[str, Any] = {
    "EventStore": {
        "ClusterSize": 3,
        "NodePriority": 1,
        "HttpPort": 2113,
        "TcpPort": 1113,
        "EnableAtomPubOverHttp": True,
        "Projections": {"RunProjections": "All", "ProjectionThreads": 4},
    }
}

OLD = {
    "AdvertiseHttpPortToClientAs": "AdvertiseNodePortToClientAs",
    "EnableAtomPubOverHttp": None,
    "ExtHostAdvertiseAs": "NodeHostAdvertiseAs",
    "ExtIp": "NodeIp",
    "ExtTcpPort": None,
    "HttpPort": "NodePort",
    "HttpPortAdvertiseAs": "NodePortAdvertiseAs",
    "IntHostAdvertiseAs": "ReplicationHostAdvertiseAs",
    "IntIp": "ReplicationIp",
    "IntTcpHeartbeatInterval": "ReplicationHeartbeatInterval",
    "IntTcpHeartbeatTimeout": "ReplicationHeartbeatTimeout",
    "IntTcpPort": "ReplicationPort",
    "IntTcpPortAdvertiseAs": "ReplicationTcpPortAdvertiseAs",
    "TcpPort": None,
}

WRONG = [
    ("ClusterSise", 3),
    ("ClusterSize", "3"),
    ("ClusterSize", 0),
    ("NodePort", 70_000),
    ("NodeIp", "localhost"),
    ("GossipSeed", "db-2,db-3"),
    ("GossipSeed", ["db-2:2113", "db-3:2113"]),
    ("RunProjections", "Standard"),
    ("RunProjections", True),
    ("StartStandardProjections", "yes"),
    ("LogLevel", "Info"),
    ("MaxAppendSize", 32 * 1024 * 1024),
    ("DefaultAdminPassword", "secret"),
    ("DefaultOpsPassword", "secret"),
    ("TelemetryOptout", True),
    ("Projections", {"RunProjections": "All"}),
    ("TcpPlugin", {"EnableExternalTcp": True}),
]


@pytest.mark.parametrize("file", FILES)
def test_every_option_is_one_of_todays(file: str) -> None:
    assert told_options(options(file)) == []


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(("name", "value"), WRONG, ids=str)
def test_a_wrong_option_is_refused(file: str, name: str, value: Any) -> None:
    assert len(told_options(options(file) | {name: value})) == 1


@pytest.mark.parametrize(("old", "new"), OLD.items())
def test_an_old_name_is_refused_and_its_successor_told(old: str, new: str | None) -> None:
    assert len(told_options({old: 1})) == 1
    lines = [line for file in FILES for line in text(file).splitlines() if line.startswith("#")]
    told = [line for line in lines if re.search(rf"\b{old}\b", line)]
    assert told
    if new is not None:
        assert new in known()
        assert any(re.search(rf"\b{old} +{new}\b", line) for line in told)


def test_the_seeds_section_is_refused_as_a_whole() -> None:
    (told,) = told_options(SEED)
    assert "EventStore" in told


def test_every_option_of_the_seed_is_told_of() -> None:
    section = SEED["EventStore"]
    wanted = {*section, *section["Projections"], "EventStore"}
    assert {name for name in wanted if not re.search(rf"\b{name}\b", text(FILES[0]))} == set()


@pytest.mark.parametrize("name", DATABASES)
def test_a_node_with_its_environment_is_whole(name: str) -> None:
    only_there = given(name).keys() - known()
    assert measured({key: given(name)[key] for key in only_there}, "kurrentdb", "environment") == []
    assert told_options({k: v for k, v in effective(name).items() if k not in only_there}) == []


def test_every_variable_in_a_comment_sets_an_option() -> None:
    told = {found for file in FILES for found in re.findall(rf"\b{PREFIX}\w+(?==)", text(file))}
    assert told
    assert {option(found) for found in told} <= known() | known("environment")


@pytest.mark.parametrize("name", DATABASES)
def test_tls_is_on(name: str) -> None:
    node = effective(name)
    assert not node.get("Insecure", False)
    assert source(name, node["CertificateFile"]) == f"./certs/{name}/tls.crt"
    assert source(name, node["CertificatePrivateKeyFile"]) == f"./certs/{name}/tls.key"
    assert source(name, node["TrustedRootCertificatesPath"]) == "./certs/ca"


@pytest.mark.parametrize("file", FILES)
def test_nobody_comes_in_without_a_name(file: str) -> None:
    assert not [name for name in options(file) if "Anonymous" in name or "Insecure" in name]


@pytest.mark.parametrize("file", FILES)
def test_the_standard_projections_run(file: str) -> None:
    assert options(file)["StartStandardProjections"] is True
    assert options(file)["RunProjections"] in {"System", "All"}


@pytest.mark.parametrize("name", DATABASES)
def test_what_is_stored_is_on_a_volume_of_its_own(name: str) -> None:
    assert source(name, effective(name)["Db"]) == name


@pytest.mark.parametrize("name", NODES)
def test_the_gossip_of_a_node_begins_with_the_two_others(name: str) -> None:
    node = effective(name)
    assert node["ClusterSize"] == len(NODES)
    assert node["DiscoverViaDns"] is False
    others = [other for other in NODES if other != name]
    ports = [effective(other)["NodePort"] for other in others]
    seeds = [f"{other}:{port}" for other, port in zip(others, ports, strict=True)]
    assert node["GossipSeed"].split(",") == seeds


@pytest.mark.parametrize("name", NODES)
def test_a_node_is_reached_by_the_others(name: str) -> None:
    node = effective(name)
    assert node["NodeIp"] == node["ReplicationIp"] == "0.0.0.0"
    assert node["NodeHostAdvertiseAs"] == node["ReplicationHostAdvertiseAs"] == name


@pytest.mark.parametrize("name", DATABASES)
def test_clients_are_told_the_published_port(name: str) -> None:
    node = effective(name)
    (outer,) = [outer for inner, outer in published(name).items() if inner == node["NodePort"]]
    assert node["AdvertiseHostToClientAs"] == "localhost"
    assert node.get("AdvertiseNodePortToClientAs", node["NodePort"]) == outer


def test_the_nodes_share_what_they_must() -> None:
    passwords = ["DefaultAdminPassword", "DefaultOpsPassword"]
    first, *others = [{key: effective(name)[key] for key in passwords} for name in NODES]
    assert others == [first, first]
