"""The permissions of docs/security.md suffice, and each that is missing ends with an error that names it."""

from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import TransactionalIdAuthorizationFailed

from tests.broker.conftest import Names
from tests.broker.scene import made_up_posts, scene
from tests.broker.test_redrive import Stage
from tests.broker.ways import login, password
from tests.harness.permissions import Grant, set_grants
from tests.harness.secure import SecureKafka
from tests.harness.topics import committed_offsets, create_topic, read_all, transactions_ended
from worker.settings import load
from worker.wiring import connection

pytestmark = pytest.mark.broker


def at_least_once(topics: Names) -> set[Grant]:
    return {
        ("DESCRIBE", "TOPIC", topics("input")),
        ("READ", "TOPIC", topics("input")),
        ("READ", "GROUP", topics("group")),
        ("WRITE", "TOPIC", topics("output")),
        ("WRITE", "TOPIC", topics("dead")),
    }


def as_limited(kafka: SecureKafka) -> dict[str, str]:
    return login(kafka, "PLAIN") | password(kafka.limited, kafka.password)


async def test_the_documented_permissions_suffice_at_least_once(
    secure_kafka: SecureKafka, topics: Names, tmp_path: Path
) -> None:
    set_grants(secure_kafka.bootstrap, secure_kafka.limited, at_least_once(topics))
    async with scene(secure_kafka, topics, tmp_path, partitions=2) as stage:
        await stage.produce([*made_up_posts(20), (b"bad", b"no post")])
        worker = stage.worker("a", as_limited(secure_kafka))
        await stage.until_done(worker)
        worker.terminate()
        assert worker.wait() == 0, worker.tail()
        verdicts = await read_all(secure_kafka.bootstrap, stage.names.output)
        dead_letters = await read_all(secure_kafka.bootstrap, stage.names.dead_letter)
    assert (len(verdicts), len(dead_letters)) == (20, 1)


@pytest.mark.parametrize(
    ("operation", "kind", "role", "named"),
    [
        ("READ", "TOPIC", "input", "MODERATION_INPUT_TOPIC"),
        ("READ", "GROUP", "group", "MODERATION_GROUP_ID"),
        ("WRITE", "TOPIC", "output", "MODERATION_OUTPUT_TOPIC"),
        ("WRITE", "TOPIC", "dead", "MODERATION_DEAD_LETTER_TOPIC"),
    ],
)
async def test_without_one_permission_the_worker_ends_and_names_it(
    secure_kafka: SecureKafka, topics: Names, tmp_path: Path, operation: str, kind: str, role: str, named: str
) -> None:
    grants = at_least_once(topics)
    lost = (operation, kind, topics(role))
    grants.remove(lost)
    if operation == "WRITE":
        grants.add(("DESCRIBE", "TOPIC", topics(role)))
    set_grants(secure_kafka.bootstrap, secure_kafka.limited, grants)
    async with scene(secure_kafka, topics, tmp_path, partitions=2) as stage:
        await stage.produce([*made_up_posts(5), (b"bad", b"no post")])
        worker = stage.worker("a", as_limited(secure_kafka))
        assert await stage.ended(worker) == 1
        log = worker.tail()
    assert named in log, log
    assert f"grant {operation.title()}" in log, log


async def test_exactly_once_needs_a_transactional_id_of_the_groups_prefix_beside(
    secure_kafka: SecureKafka, topics: Names
) -> None:
    for role in ("input", "output"):
        await create_topic(secure_kafka.bootstrap, topics(role), 1)
    grants = at_least_once(topics)
    set_grants(secure_kafka.bootstrap, secure_kafka.limited, grants)
    with pytest.raises(TransactionalIdAuthorizationFailed):
        await _transaction(secure_kafka, topics, f"{topics('group')}.{topics('input')}.0")

    prefixed = f"{topics('group')}.*"
    grants |= {("WRITE", "TRANSACTIONAL_ID", prefixed), ("DESCRIBE", "TRANSACTIONAL_ID", prefixed)}
    set_grants(secure_kafka.bootstrap, secure_kafka.limited, grants)
    await _transaction(secure_kafka, topics, f"{topics('group')}.{topics('input')}.0")
    await transactions_ended(secure_kafka.bootstrap, topics("output"))
    [record] = await read_all(secure_kafka.bootstrap, topics("output"))
    assert record.value == b"verdict"
    assert await committed_offsets(secure_kafka.bootstrap, topics("group"), topics("input")) == {0: 1}

    with pytest.raises(TransactionalIdAuthorizationFailed):
        await _transaction(secure_kafka, topics, "another-group.0")


async def _transaction(kafka: SecureKafka, topics: Names, transactional_id: str) -> None:
    producer = AIOKafkaProducer(**connection(load(as_limited(kafka))), transactional_id=transactional_id)
    try:
        await producer.start()
        async with producer.transaction():
            await producer.send_and_wait(topics("output"), b"verdict")
            await producer.send_offsets_to_transaction({TopicPartition(topics("input"), 0): 1}, topics("group"))
    finally:
        await producer.stop()


async def test_the_documented_permissions_of_redrive_suffice(secure_kafka: SecureKafka, topics: Names) -> None:
    stage = Stage(secure_kafka, topics)
    await stage.create()
    await stage.bury([stage.letter(offset) for offset in range(3)])
    transactional = f"{stage.group}.redrive"
    grants = {
        ("WRITE", "TOPIC", stage.input),
        ("READ", "TOPIC", stage.dead),
        ("WRITE", "TOPIC", stage.dead),
        ("WRITE", "TRANSACTIONAL_ID", transactional),
        ("DESCRIBE", "TRANSACTIONAL_ID", transactional),
    }
    set_grants(secure_kafka.bootstrap, secure_kafka.limited, grants)
    assert (await stage.redrive(**as_limited(secure_kafka)))["redriven"] == 3
    assert len(await stage.put_back()) == 3
