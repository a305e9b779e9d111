"""compose.yaml fits its schema, the worker's settings and the files that it mounts; what it posts is what it says.

No engine runs here: the images of others are pulled by whoever tries it.
"""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from tests.deploy.pods import BEYOND_DRAIN_SECONDS
from tests.deploy.rendering import ROOT
from tests.harness import Kafka
from tests.harness.topics import create_topic, read_all
from worker.settings import Settings, load

pytestmark = pytest.mark.timeout(600)
SECONDS = 240.0
"""A bound, not an expectation: a busy machine takes its time."""
HERE = ROOT / "deploy" / "compose"
SCHEMA = Path(__file__).with_name("compose-spec.json")
"""Of compose-go 2.4.7 (Apache-2.0), without its descriptions."""


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((HERE / "compose.yaml").read_text(encoding="utf-8"))


def settings_of(service: dict[str, Any]) -> Settings:
    return load(service["environment"])


def mounts(service: dict[str, Any]) -> list[tuple[Path, str]]:
    """Where a mounted file is here, and where there."""
    parts = [volume.split(":") for volume in service.get("volumes", [])]
    assert all(part[2] == "ro" for part in parts)
    return [((HERE / part[0]).resolve(), part[1]) for part in parts]


def misfits(content: Any) -> list[str]:
    validator = jsonschema_rs.Draft201909Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    return [error.message for error in validator.iter_errors(content)]


def test_file_fits_the_compose_specification(compose: Any) -> None:
    assert misfits(compose) == []


def test_field_that_the_specification_does_not_know_is_found(compose: Any) -> None:
    service = compose["services"]["worker"] | {"stop_grace": "45s"}
    assert misfits({**compose, "services": {**compose["services"], "worker": service}}) != []


def test_services_wait_for_services_that_exist(compose: Any) -> None:
    services = compose["services"]
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in services
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[needed]
            if how["condition"] == "service_completed_successfully":
                assert services[needed]["restart"] == "no"


def test_settings_are_the_workers_and_name_topics_that_are_made(compose: Any) -> None:
    services = compose["services"]
    worker, posting = settings_of(services["worker"]), settings_of(services["posts"])
    made = dict(re.findall(r"^topic (\S+) --partitions (\d+)$", services["topics"]["command"][0], re.MULTILINE))
    assert made.keys() == {worker.input_topic, worker.output_topic, worker.dead_letter_topic}
    assert made[worker.input_topic] == made[worker.output_topic]
    assert (posting.input_topic, posting.bootstrap_servers) == (worker.input_topic, worker.bootstrap_servers)


def test_kafka_is_reached_where_it_listens(compose: Any) -> None:
    kafka = compose["services"]["kafka"]
    advertised = dict(one.split("://") for one in kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(","))
    listening = dict(one.split("://") for one in kafka["environment"]["KAFKA_LISTENERS"].split(","))
    protocols = dict(one.split(":") for one in kafka["environment"]["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    assert advertised["INSIDE"] == settings_of(compose["services"]["worker"]).bootstrap_servers
    assert advertised["INSIDE"] in kafka["healthcheck"]["test"]
    assert f"--bootstrap-server {advertised['INSIDE']}" in compose["services"]["topics"]["command"][0]
    assert {name: one.rpartition(":")[2] for name, one in listening.items()}.items() >= {
        name: one.rpartition(":")[2] for name, one in advertised.items()
    }.items()
    assert listening.keys() == protocols.keys()
    voters = kafka["environment"]["KAFKA_CONTROLLER_QUORUM_VOTERS"]
    assert voters == f"{kafka['environment']['KAFKA_NODE_ID']}@kafka{listening['CONTROLLER']}"


def test_ports_are_open_to_this_host_alone(compose: Any) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_worker_may_do_as_little_as_in_kubernetes(compose: Any) -> None:
    for name in ("worker", "posts"):
        service = compose["services"][name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
    worker = compose["services"]["worker"]
    assert int(worker["stop_grace_period"].removesuffix("s")) >= (
        settings_of(worker).drain_timeout_seconds + BEYOND_DRAIN_SECONDS
    )
    build = worker["build"]
    assert (HERE / build["context"] / build["dockerfile"]).resolve() == ROOT / "deploy" / "image" / "Dockerfile"


def test_every_mounted_file_is_there(compose: Any) -> None:
    for service in compose["services"].values():
        for source, _ in mounts(service):
            assert source.is_file(), source


def test_prometheus_reads_the_rules_and_finds_every_worker(compose: Any) -> None:
    service = compose["services"]["prometheus"]
    config = yaml.safe_load((HERE / "prometheus.yaml").read_text(encoding="utf-8"))
    inside = {target: source for source, target in mounts(service)}
    assert f"--config.file={next(iter(inside))}" in service["command"]
    assert inside["/etc/prometheus/" + config["rule_files"][0]] == ROOT / "deploy" / "prometheus" / "rules.yaml"
    [job] = config["scrape_configs"]
    [found] = job["dns_sd_configs"]
    assert found["names"] == ["worker"]
    assert found["port"] == settings_of(compose["services"]["worker"]).http_port
    assert str(found["port"]) in compose["services"]["worker"]["expose"]


def test_grafana_gets_its_data_source_and_the_dashboard(compose: Any) -> None:
    service = compose["services"]["grafana"]
    inside = {target: source for source, target in mounts(service)}
    [source] = yaml.safe_load((HERE / "grafana" / "datasource.yaml").read_text(encoding="utf-8"))["datasources"]
    [provider] = yaml.safe_load((HERE / "grafana" / "dashboards.yaml").read_text(encoding="utf-8"))["providers"]
    assert source["url"] == "http://prometheus:9090"
    assert compose["services"]["prometheus"]["ports"] == ["127.0.0.1:9090:9090"]
    assert inside["/etc/grafana/provisioning/datasources/prometheus.yaml"] == HERE / "grafana" / "datasource.yaml"
    home = service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert inside[home] == ROOT / "deploy" / "grafana" / "moderation-worker.json"
    assert Path(home).parent == Path(provider["options"]["path"])


@pytest.mark.broker
async def test_posting_simulator_posts_as_many_as_asked_and_ends_on_sigterm() -> None:
    with Kafka() as kafka:
        await create_topic(kafka.bootstrap, "posts", 2)
        with posting(kafka, "--posts", "12", "--rate", "500") as simulator:
            assert (simulator.wait(SECONDS), simulator.communicate()) == (0, ("12 posts\n", ""))
        records = await read_all(kafka.bootstrap, "posts")
        assert len(records) == 12
        assert [record.value is None for record in sorted(records, key=lambda one: one.timestamp)].count(True) == 1
        assert len({one.key for one in records}) == 11  # the deletion is under the key of the post before

        with posting(kafka) as simulator:
            while len(await read_all(kafka.bootstrap, "posts")) == 12:
                assert simulator.poll() is None
            simulator.send_signal(signal.SIGTERM)
            assert simulator.wait(SECONDS) == 0


def posting(kafka: Kafka, *arguments: str) -> "subprocess.Popen[str]":
    env = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "MODERATION_BOOTSTRAP_SERVERS": kafka.bootstrap}
    command = [sys.executable, str(HERE / "post.py"), *arguments]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
