"""The image holds what serving needs, and works as its own user, on a root file system that is only read."""

import asyncio
import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from tests.deploy.container import ARCHIVE, BUILD_SECONDS, Image
from tests.deploy.rendering import ROOT
from tests.harness import Kafka
from tests.harness.kafka import free_ports
from tests.harness.topics import create_topic, produce, read_all
from worker import __version__

pytestmark = pytest.mark.timeout(2 * BUILD_SECONDS)
SECONDS = 240.0
"""A bound, not an expectation: a busy machine takes its time."""
MANIFESTS = ROOT / "deploy" / "kubernetes" / "base" / "deployment.yaml"


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    built = Image()
    yield built
    built.close()


@pytest.fixture(scope="module")
def tracing_image() -> Iterator[Image]:
    built = Image("tracing")
    yield built
    built.close()


def run(image: Image, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        image.command(*arguments), input=stdin, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def test_image_starts_the_worker_itself_as_a_user_without_rights(image: Image) -> None:
    assert image.config["Entrypoint"] == ["/opt/moderation-worker/bin/moderation-worker"]
    assert image.config["Cmd"] == ["run"]
    assert f"runAsUser: {image.config['User'].split(':')[0]}\n" in MANIFESTS.read_text(encoding="utf-8")
    assert list(image.config["ExposedPorts"]) == ["8080"] or list(image.config["ExposedPorts"]) == ["8080/tcp"]
    assert "Healthcheck" not in image.config


def test_size_is_stated(image: Image) -> None:
    assert f"{ARCHIVE.relative_to(ROOT)}: {image.archived} bytes" in image.said


def test_image_holds_the_locked_serving_dependencies_and_no_tools(image: Image) -> None:
    [packages] = image.root.glob("opt/moderation-worker/lib/python3*/site-packages")
    installed = {path.name.rpartition("-")[0] or path.name for path in packages.glob("*.dist-info")}
    found = {path.name.removesuffix(".dist-info") for path in packages.glob("*.dist-info")}
    locked = (ROOT / "requirements" / "serving.txt").read_text(encoding="utf-8").lower().replace("-", "_")
    assert f"moderation_worker-{__version__}" in found
    for entry in found - {f"moderation_worker-{__version__}"}:
        name, _, version = entry.lower().replace("-", "_").rpartition("_")
        assert f"{name}=={version} " in locked, entry
    assert not installed & {"torch", "pip", "hatchling", "pytest", "confluent_kafka"}
    assert (packages / "worker" / "bundles" / "default" / "model.onnx").is_file()


def test_nothing_of_the_machine_that_built_it_is_inside(image: Image) -> None:
    """How packages were reached is nobody's business."""
    assert not [path for name in ("etc/pip.conf", "build", "source") if (path := image.root / name).exists()]
    assert not [name for name in image.config["Env"] if "PIP" in name or "proxy" in name.lower()]
    direct = list(image.root.glob("opt/moderation-worker/lib/python3*/site-packages/*.dist-info/direct_url.json"))
    assert [json.loads(path.read_text())["url"] for path in direct if "moderation" not in path.parent.name] == []


def test_nothing_belongs_to_the_user_that_the_worker_runs_as(image: Image) -> None:
    """Who breaks into the worker cannot change it."""
    uid = int(image.config["User"].split(":")[0])
    assert [path for path in image.root.rglob("*") if path.lstat().st_uid == uid] == []


def test_classify_works_without_network_and_without_writing(image: Image) -> None:
    done = run(image, "classify", stdin='{"id": "1", "text": "What a dumb ass. Go away, you loser."}\n')

    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert (verdict["post_id"], verdict["action"]) == ("1", "review")


def test_check_finds_the_bundle_in_order_and_no_broker(image: Image) -> None:
    command = image.command("check", env={"MODERATION_BOOTSTRAP_SERVERS": "127.0.0.1:9092"})
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)

    assert done.returncode == 1, done.stderr
    marks = {line[2:].split(":")[0]: line[0] for line in done.stdout.splitlines()}
    assert [marks[subject] for subject in ("settings", "model bundle", "policy", "HTTP port", "brokers")] == list(
        "✓✓✓✓✗"
    )


def test_tracing_is_in_order_in_the_image_made_for_it_and_missed_in_the_other(
    image: Image, tracing_image: Image
) -> None:
    env = {"MODERATION_BOOTSTRAP_SERVERS": "127.0.0.1:9092", "MODERATION_TRACING": "otlp"}
    for built, mark, said in ((tracing_image, "✓", "otlp"), (image, "✗", "take an image made with EXTRA=tracing")):
        command = built.command("check", env=env)
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        [found] = [line for line in done.stdout.splitlines() if line[2:].startswith("tracing: ")]
        assert found[0] == mark, found
        assert said in found


def test_posting_simulator_of_compose_needs_no_more_than_is_inside(image: Image) -> None:
    service = yaml.safe_load((ROOT / "deploy" / "compose" / "compose.yaml").read_text(encoding="utf-8"))["services"][
        "posts"
    ]
    program, script = service["entrypoint"]
    [mounted] = [volume.split(":")[0] for volume in service["volumes"] if f":{script}:" in volume]
    text = (ROOT / "deploy" / "compose" / mounted).read_text(encoding="utf-8")
    command = image.command("-", "--help", program=program)
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    assert "posts a second" in done.stdout


def test_sigterm_ends_a_command_that_waits(image: Image) -> None:
    """As the first process of its namespace it gets no default action: without a handler it would wait for ever."""
    with subprocess.Popen(image.command("classify"), stdin=subprocess.PIPE, stderr=subprocess.PIPE) as container:
        inside = _inside(container, caught=signal.SIGTERM)
        inside.send_signal(signal.SIGTERM)
        assert container.wait(SECONDS) == 128 + signal.SIGTERM


@pytest.mark.broker
def test_worker_in_its_container_joins_scores_and_leaves_on_sigterm(image: Image) -> None:
    [port] = free_ports(1)
    with Kafka() as kafka:
        asyncio.run(_topics(kafka.bootstrap))
        env = {"MODERATION_BOOTSTRAP_SERVERS": kafka.bootstrap, "MODERATION_HTTP_PORT": str(port)}
        command = image.command("check", network=True, env=env)
        checked = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert checked.returncode == 0, checked.stdout

        with subprocess.Popen(image.command(network=True, env=env), stderr=subprocess.PIPE, text=True) as container:
            inside = _inside(container, caught=signal.SIGTERM)
            _until_ready(port)
            assert json.loads(asyncio.run(_first(kafka.bootstrap, "verdicts")))["post_id"] == "1"
            assert inside.uids().effective == int(image.config["User"].split(":")[0])
            inside.send_signal(signal.SIGTERM)
            assert container.wait(SECONDS) == 0, container.stderr and container.stderr.read()


async def _topics(bootstrap: str) -> None:
    for topic in ("posts", "verdicts", "dead-letters"):
        await create_topic(bootstrap, topic, 1)
    await produce(bootstrap, "posts", [(b"1", b'{"id": "1", "text": "Hello out there!"}')])


async def _first(bootstrap: str, topic: str) -> bytes:
    async with asyncio.timeout(SECONDS):
        records = await read_all(bootstrap, topic)
        while not records:
            records = await read_all(bootstrap, topic)
    return records[0].value or b""


def _inside(container: "subprocess.Popen[str] | subprocess.Popen[bytes]", caught: signal.Signals) -> psutil.Process:
    """The first process of the container, once it is the worker and catches a signal."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for child in psutil.Process(container.pid).children():
            status = Path(f"/proc/{child.pid}/status").read_text()
            mask = int(status.split("\nSigCgt:\t")[1].split()[0], 16)
            if "moderation-work" in status.splitlines()[0] and mask >> (caught - 1) & 1:
                return child
        assert container.poll() is None, "it ended by itself"
        time.sleep(0.02)
    raise AssertionError(f"nothing inside catches {caught.name}")


def _until_ready(port: int) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError("it never became ready")
