"""The Job of the component `try`: its script as written, by Kafka's own tools, as its user alone may, over mutual TLS."""

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.broker.conftest import Names
from tests.broker.scene import scene
from tests.deploy.rendering import named, render_together
from tests.deploy.workload import containers
from tests.harness.distribution import POM, jars, java
from tests.harness.permissions import set_grants
from tests.harness.processes import Guarded
from tests.harness.secure import SecureKafka

pytestmark = [pytest.mark.broker, pytest.mark.timeout(600)]
SECONDS = 240.0
"""A bound, not an expectation: a busy machine takes its time."""
USER = "moderation-worker-try"
MAIN = {
    "kafka-console-producer.sh": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer.sh": "org.apache.kafka.tools.consumer.ConsoleConsumer",
}


def tools(folder: Path) -> Path:
    """A folder like the image's /opt/kafka/bin; and its grep, which is BusyBox' and knows short options only."""
    folder.mkdir()
    grep = folder / "grep"
    grep.write_text('#!/bin/sh\ncase "$*" in *--*) exit 2;; esac\nexec /usr/bin/grep "$@"\n')
    grep.chmod(0o755)
    for name, main in MAIN.items():
        file = folder / name
        file.write_text(f'#!/bin/sh\nexec {java()} -cp "{jars(POM.with_name("tools.xml"))}/*" {main} "$@"\n')
        file.chmod(0o755)
    return folder


def login(kafka: SecureKafka, folder: Path) -> Path:
    """What Strimzi's Secrets of the cluster and of the user hold."""
    folder.mkdir()
    kafka.authority.store(kafka.authority.issue(USER), kafka.password).rename(folder / "user.p12")
    (folder / "user.password").write_text(kafka.password)
    (folder / "ca.crt").write_bytes(kafka.authority.certificate.read_bytes())
    return folder


def permit(kafka: SecureKafka, manifests: list[dict[str, Any]]) -> None:
    """What Strimzi does with the KafkaUser."""
    [user] = (found for found in named(manifests, "KafkaUser") if found["metadata"]["name"] == USER)
    rules = user["spec"]["authorization"]["acls"]
    grants = [
        (operation.upper(), rule["resource"]["type"].upper(), rule["resource"]["name"])
        for rule in rules
        for operation in rule["operations"]
    ]
    set_grants(kafka.bootstrap, f"CN={USER}", grants)


async def test_trial_posts_and_shows_the_verdict(secure_kafka: SecureKafka, topics: Names, tmp_path: Path) -> None:
    settings = {
        "MODERATION_BOOTSTRAP_SERVERS": secure_kafka.address("MTLS"),
        "MODERATION_INPUT_TOPIC": topics("input"),
        "MODERATION_OUTPUT_TOPIC": topics("output"),
    }
    manifests = render_together(["strimzi", "try"], [f"{name}={value}" for name, value in settings.items()])
    permit(secure_kafka, manifests)
    [job] = named(manifests, "Job")
    [console] = containers(job)
    here = login(secure_kafka, tmp_path / "secrets")
    places = {mount["mountPath"]: here for mount in console["volumeMounts"]} | {
        "/tmp": tmp_path,  # noqa: S108 - the container's
        "/opt/kafka/bin": tools(tmp_path / "bin"),
    }
    script = re.sub("|".join(map(re.escape, places)), lambda place: str(places[place[0]]), console["args"][0])
    env = {
        one["name"]: one.get("value") or settings[one["valueFrom"]["configMapKeyRef"]["key"]] for one in console["env"]
    }

    log = tmp_path / "log"
    async with scene(secure_kafka, topics, tmp_path, partitions=2) as stage:
        stage.worker()
        with Guarded(
            [*console["command"], script], log, env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", **env}
        ) as trial:
            end = time.monotonic() + SECONDS
            while trial.poll() is None and time.monotonic() < end:  # noqa: ASYNC110 - a process tells nobody
                await asyncio.sleep(0.1)
            assert trial.poll() == 0, log.read_text()
    said = log.read_text().splitlines()
    [posted] = [line.split()[1] for line in said if line.startswith("posted ")]
    [verdict] = [json.loads(line) for line in said if line.startswith("{")]
    assert (verdict["post_id"], verdict["action"]) == (posted.rstrip(";"), "review")
