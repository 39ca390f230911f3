"""compose.yaml is what the Compose Specification allows, and its services hang together."""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

import pytest

from tests.clusters.compose import (
    AUTHORITY,
    COMPOSE,
    DATABASES,
    FILES,
    composed,
    hosts,
    lasting,
    mounts,
    published,
    service,
    settings,
    source,
)
from tests.clusters.manifests import CONFIGS, measured, text

KAFKA, RABBIT = "kafka.properties", "rabbitmq.conf"
SECRET = re.compile(r"\$\{([A-Z_]+):\?[^}]+\}")
IMAGE = re.compile(r"[a-z]+(?:/[a-z]+)?:(\d+\.\d+)\.\d+(?:-management)?")

WRONG = [
    ("imagee", "kafka"),
    ("image", 4),
    ("mem_limit", "2 GB"),
    ("cpus", "two"),
    ("restart", "sometimes"),
    ("ports", ["9092"]),
    ("ports", [9092]),
    ("volumes", ["kafka"]),
    ("volumes", ["kafka:data"]),
    ("environment", ["KAFKA_HEAP_OPTS=-Xmx1g"]),
    ("environment", {"KAFKA_NODE_ID": 1}),
    ("depends_on", {"certificates": {}}),
    ("depends_on", {"certificates": {"condition": "service_done"}}),
    ("healthcheck", {"test": ["CMD", "true"], "interval": 30}),
    ("healthcheck", {"interval": "30s"}),
    ("healthcheck", {"test": ["true", "now"]}),
    ("ulimits", {"nofile": "many"}),
]


def test_it_is_what_the_specification_allows() -> None:
    assert measured(composed(), "compose-spec", "Compose") == []


@pytest.mark.parametrize(("field", "value"), WRONG, ids=str)
def test_a_wrong_field_is_refused(field: str, value: Any) -> None:
    wrong = composed()
    wrong["services"]["kafka"][field] = value
    assert len(measured(wrong, "compose-spec", "Compose")) == 1


def test_it_starts_what_it_says() -> None:
    assert lasting() == [*DATABASES, "kafka", "rabbitmq"]
    assert [name for name in lasting() if "profiles" not in service(name)] == [
        "kurrentdb",
        "kafka",
        "rabbitmq",
    ]


@pytest.mark.parametrize("name", lasting())
def test_a_service_waits_for_its_certificates(name: str) -> None:
    wanted = service(name)["depends_on"]
    assert wanted.keys() <= composed()["services"].keys()
    assert wanted[AUTHORITY]["condition"] == "service_completed_successfully"


@pytest.mark.parametrize("name", composed()["services"])
def test_every_image_has_a_whole_version_and_no_registry(name: str) -> None:
    assert IMAGE.fullmatch(service(name)["image"])


@pytest.mark.parametrize(
    ("file", "product", "name"),
    [(file, "KurrentDB", "kurrentdb") for file in FILES]
    + [(KAFKA, "Kafka", "kafka"), (RABBIT, "RabbitMQ", "rabbitmq")],
)
def test_every_file_is_for_the_version_that_is_started(file: str, product: str, name: str) -> None:
    image = IMAGE.fullmatch(service(name)["image"])
    assert image
    first, *_ = re.findall(rf"{product} (\d+\.\d+)", text(file))
    assert first == image.group(1)
    assert service(name)["image"].rpartition("/")[2].startswith(product.lower())


@pytest.mark.parametrize("name", composed()["services"])
def test_every_mounted_file_is_there(name: str) -> None:
    for target, found in mounts(name).items():
        if found.startswith("./certs"):
            wanted = {"./certs"} if name == AUTHORITY else {"./certs/ca", f"./certs/{name}"}
            assert found in wanted
        elif found.startswith("./"):
            assert (CONFIGS / found).is_file()
        else:
            assert found in composed()["volumes"]
        assert target.startswith("/")


def test_every_host_has_a_certificate_and_every_volume_a_service() -> None:
    assert sorted(hosts()) == sorted(lasting())
    used = chain.from_iterable(mounts(name).values() for name in lasting())
    assert set(composed()["volumes"]) == {found for found in used if not found.startswith("./")}


def test_only_the_data_can_be_written() -> None:
    for name in lasting():
        writable = [volume for volume in service(name)["volumes"] if not volume.endswith(":ro")]
        assert [volume.partition(":")[0] for volume in writable] == [name]


def test_no_key_is_made_in_the_checkout_that_git_would_take() -> None:
    ignored = (CONFIGS.parent / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "/cluster-configs/certs/" in ignored


def test_no_two_services_take_one_port() -> None:
    ports = [port for name in lasting() for port in published(name).values()]
    assert len(set(ports)) == len(ports)


@pytest.mark.parametrize("name", lasting())
def test_a_service_is_bounded_watched_and_started_again(name: str) -> None:
    found = service(name)
    assert {"mem_limit", "cpus", "pids_limit", "healthcheck"} <= found.keys()
    assert found["restart"] == "unless-stopped"
    assert found["logging"]["options"].keys() == {"max-size", "max-file"}
    asked = {int(port) for port in re.findall(r"\b\d{4,5}\b", found["healthcheck"]["test"][-1])}
    assert asked
    assert asked <= published(name).keys()


def test_no_secret_is_in_a_file() -> None:
    told = re.findall(r"[A-Z_]+(?==\.\.\.)", text(COMPOSE))
    asked = set()
    for name in lasting():
        for variable, value in service(name)["environment"].items():
            if "PASS" in variable:
                secret = SECRET.fullmatch(value)
                assert secret, f"{name}: {variable}"
                asked.add(secret.group(1))
    assert asked == set(told)


@pytest.mark.parametrize(
    ("file", "definition"),
    [(KAFKA, "KafkaBroker"), ("kafka-client.properties", "KafkaClient"), (RABBIT, "RabbitMQ")],
)
def test_the_settings_of_brokers_are_known(file: str, definition: str) -> None:
    assert measured(settings(file), "brokers", definition) == []
    wrong = settings(file) | {"ssl.keystore.locatoin": "/etc/kafka/node/tls.pem"}
    assert len(measured(wrong, "brokers", definition)) == 1


def test_every_listener_of_kafka_has_tls() -> None:
    found = settings(KAFKA)
    listeners = dict(one.split("://") for one in found["listeners"].split(","))
    protocols = dict(one.split(":") for one in found["listener.security.protocol.map"].split(","))
    assert protocols.keys() == listeners.keys()
    assert set(protocols.values()) == {"SSL"}
    assert found["inter.broker.listener.name"] in listeners
    assert listeners[found["controller.listener.names"]] in found["controller.quorum.voters"]
    assert settings("kafka-client.properties")["security.protocol"] == "SSL"


def test_kafka_tells_clients_the_published_port() -> None:
    listeners = settings(KAFKA)["listeners"].split(",")
    (told,) = settings(KAFKA)["advertised.listeners"].split(",")
    name, _, place = told.partition("://")
    host, _, port = place.partition(":")
    assert host == "localhost"
    assert f"{name}://:{port}" in listeners
    assert published("kafka") == {int(port): int(port)}


def test_kafka_finds_its_files() -> None:
    found = settings(KAFKA)
    assert source("kafka", found["ssl.keystore.location"]) == "./certs/kafka/tls.pem"
    assert source("kafka", found["ssl.truststore.location"]) == "./certs/ca/ca.crt"
    assert source("kafka", found["log.dirs"]) == "kafka"
    client = settings("kafka-client.properties")
    assert client["ssl.truststore.location"] == found["ssl.truststore.location"]
    assert {found["ssl.keystore.type"], found["ssl.truststore.type"]} == {"PEM"}
    assert source("kafka", "/etc/kafka/client.properties") == "./kafka-client.properties"


def test_rabbitmq_speaks_tls_only_on_the_published_ports() -> None:
    found = settings(RABBIT)
    assert found["listeners.tcp"] == "none"
    listeners = {int(found["listeners.ssl.default"]), int(found["management.ssl.port"])}
    assert published("rabbitmq") == {port: port for port in listeners}


@pytest.mark.parametrize("section", ["ssl_options", "management.ssl"])
def test_rabbitmq_finds_its_files(section: str) -> None:
    found = settings(RABBIT)
    assert source("rabbitmq", found[f"{section}.cacertfile"]) == "./certs/ca/ca.crt"
    assert source("rabbitmq", found[f"{section}.certfile"]) == "./certs/rabbitmq/tls.crt"
    assert source("rabbitmq", found[f"{section}.keyfile"]) == "./certs/rabbitmq/tls.key"
