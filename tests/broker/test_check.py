"""`check` against a real Kafka."""

import asyncio
import os
import socket
import subprocess
import sys

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from tests.broker.conftest import Names
from tests.harness import Kafka
from tests.harness.topics import create_topic, produce
from worker.check import findings
from worker.check.finding import Mark

pytestmark = pytest.mark.broker

ROLES = {"input": "INPUT_TOPIC", "output": "OUTPUT_TOPIC", "dead": "DEAD_LETTER_TOPIC"}


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, kafka: Kafka, topics: Names) -> pytest.MonkeyPatch:
    """An environment for the broker and this test's topics, which do not exist yet."""
    for name in os.environ:
        if name.startswith("MODERATION_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MODERATION_BOOTSTRAP_SERVERS", kafka.bootstrap)
    monkeypatch.setenv("MODERATION_GROUP_ID", topics("group"))
    monkeypatch.setenv("MODERATION_HTTP_HOST", "127.0.0.1")
    monkeypatch.setenv("MODERATION_HTTP_PORT", "0")
    for role, variable in ROLES.items():
        monkeypatch.setenv(f"MODERATION_{variable}", topics(role))
    return monkeypatch


def create(kafka: Kafka, name: str, partitions: int = 2, **config: str) -> None:
    asyncio.run(
        create_topic(kafka.bootstrap, name, partitions, {key.replace("_", "."): value for key, value in config.items()})
    )


def report() -> dict[str, tuple[Mark, str]]:
    return {finding.subject: (finding.mark, finding.text) for finding in findings()}


def checked() -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "worker", "check"], capture_output=True, encoding="utf-8", timeout=60, check=False
    )


def wrong(found: dict[str, tuple[Mark, str]]) -> list[str]:
    return [subject for subject, (mark, _text) in found.items() if mark is Mark.WRONG]


def test_all_in_order_ends_with_0(kafka: Kafka, topics: Names) -> None:
    for role in ROLES:
        create(kafka, topics(role))
    asyncio.run(produce(kafka.bootstrap, topics("input"), [(None, b"{}")] * 3))

    done = checked()

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line[0] for line in lines] == list("✓✓✓✓✓✓✓✓✓-"), done.stdout
    assert "verdicts keep the order of their posts" in lines[6]
    assert "commits for 0 of 2 partitions; 3 records to read" in lines[8]


def test_beside_a_worker_that_has_the_http_port_it_ends_with_0(
    kafka: Kafka, topics: Names, settings: pytest.MonkeyPatch
) -> None:
    for role in ROLES:
        create(kafka, topics(role))

    with socket.create_server(("127.0.0.1", 0)) as worker:
        settings.setenv("MODERATION_HTTP_PORT", str(worker.getsockname()[1]))
        done = checked()

    assert (done.returncode, done.stderr) == (0, "")
    assert "\n! HTTP port: " in done.stdout


def test_missing_topic_is_wrong_named_with_its_setting_and_not_created(kafka: Kafka, topics: Names) -> None:
    create(kafka, topics("input"))
    create(kafka, topics("output"))

    found, again = report(), report()

    assert wrong(found) == wrong(again) == ["dead-letter topic"]
    assert f"{topics('dead')} (MODERATION_DEAD_LETTER_TOPIC) does not exist" in found["dead-letter topic"][1]
    assert found["consumer group"][0] is Mark.FINE


def test_missing_topic_is_not_created_where_brokers_create_by_use(settings: pytest.MonkeyPatch) -> None:
    with Kafka({"auto.create.topics.enable": "true"}) as broker:
        settings.setenv("MODERATION_BOOTSTRAP_SERVERS", broker.bootstrap)

        found, again = report(), report()

    assert wrong(found) == wrong(again) == ["input topic", "output topic", "dead-letter topic"]


def test_missing_input_topic_leaves_the_group_uncompared(kafka: Kafka, topics: Names) -> None:
    create(kafka, topics("output"))
    create(kafka, topics("dead"))

    found = report()

    assert wrong(found) == ["input topic"]
    assert found["consumer group"][0] is Mark.SKIPPED


def test_unequal_partitions_are_a_warning_about_order(kafka: Kafka, topics: Names) -> None:
    create(kafka, topics("input"), 4)
    create(kafka, topics("output"), 2)
    create(kafka, topics("dead"))

    mark, text = report()["output topic"]

    assert mark is Mark.WARNING
    assert "2 partitions" in text
    assert "same key stay in order" in text


def test_dead_letters_smaller_than_posts_are_a_warning(kafka: Kafka, topics: Names) -> None:
    create(kafka, topics("input"), max_message_bytes="4000000")
    create(kafka, topics("output"))
    create(kafka, topics("dead"), max_message_bytes="2000000")

    mark, text = report()["dead-letter topic"]

    assert mark is Mark.WARNING
    assert "MODERATION_MAX_DEAD_LETTER_BYTES=1000000" in text
    assert "max.message.bytes=2000000" in text


def test_topics_that_take_no_verdict_are_wrong(kafka: Kafka, topics: Names) -> None:
    create(kafka, topics("input"))
    create(kafka, topics("output"), max_message_bytes="500")
    create(kafka, topics("dead"), max_message_bytes="500")

    found = report()

    assert wrong(found) == ["output topic", "dead-letter topic"]
    assert "max.message.bytes=500" in found["output topic"][1]


def test_records_larger_than_the_worker_decodes_are_a_warning(
    kafka: Kafka, topics: Names, settings: pytest.MonkeyPatch
) -> None:
    settings.setenv("MODERATION_MAX_RECORD_BYTES", "2000")
    for role in ROLES:
        create(kafka, topics(role))

    mark, text = report()["input topic"]

    assert mark is Mark.WARNING
    assert "MODERATION_MAX_RECORD_BYTES=2000" in text


def test_commit_older_than_the_log_is_a_warning(kafka: Kafka, topics: Names) -> None:
    for role in ROLES:
        create(kafka, topics(role), 1)
    asyncio.run(_commit_then_expire(kafka, topics("input"), topics("group")))

    mark, text = report()["consumer group"]

    assert mark is Mark.WARNING
    assert "MODERATION_OUT_OF_RANGE=stop" in text


async def _commit_then_expire(kafka: Kafka, topic: str, group: str) -> None:
    partition = TopicPartition(topic, 0)
    await produce(kafka.bootstrap, topic, [(None, b"{}")] * 5)
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([partition])
    await consumer.commit({partition: 1})
    await consumer.stop()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.delete_records({partition: RecordsToDelete(before_offset=3)})
    await admin.close()


def test_right_password_is_fine(kafka: Kafka, topics: Names, settings: pytest.MonkeyPatch) -> None:
    for role in ROLES:
        create(kafka, topics(role))
    _log_in(settings, kafka, kafka.password)

    found = report()

    assert wrong(found) == []
    assert f"SASL_PLAINTEXT as {kafka.username}" in found["brokers"][1]


def test_wrong_password_is_wrong_and_not_shown(kafka: Kafka, settings: pytest.MonkeyPatch) -> None:
    _log_in(settings, kafka, "guessed-wrong")

    found = report()

    assert wrong(found) == ["brokers"]
    assert "MODERATION_SASL_PASSWORD" in found["brokers"][1]
    assert "guessed-wrong" not in str(found)
    assert found["consumer group"][0] is Mark.SKIPPED


def test_plain_connection_where_a_login_is_asked_for_is_wrong(kafka: Kafka, settings: pytest.MonkeyPatch) -> None:
    settings.setenv("MODERATION_BOOTSTRAP_SERVERS", kafka.sasl_bootstrap)

    found = report()

    assert wrong(found) == ["brokers"]
    assert "MODERATION_SECURITY_PROTOCOL" in found["brokers"][1]


def _log_in(settings: pytest.MonkeyPatch, kafka: Kafka, password: str) -> None:
    settings.setenv("MODERATION_BOOTSTRAP_SERVERS", kafka.sasl_bootstrap)
    settings.setenv("MODERATION_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    settings.setenv("MODERATION_SASL_USERNAME", kafka.username)
    settings.setenv("MODERATION_SASL_PASSWORD", password)
