"""Permissions taken away from a running worker: given back it goes on, else it ends and names them."""

from pathlib import Path

import pytest

from tests.broker.conftest import Names
from tests.broker.scene import Scene, made_up_posts, scene
from tests.broker.test_delivery import SLOW, assert_kept
from tests.broker.test_permissions import as_limited, at_least_once
from tests.harness.permissions import Grant, set_grants
from tests.harness.secure import SecureKafka

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]

QUICK = SLOW | {"MODERATION_HEARTBEAT_INTERVAL_SECONDS": "0.5"}
DENIED = "AuthorizationFailed"


def grants_for(topics: Names, delivery: str) -> set[Grant]:
    grants = at_least_once(topics) | {("DESCRIBE", "TOPIC", topics(role)) for role in ("output", "dead")}
    if delivery == "exactly_once":
        prefixed = f"{topics('group')}.*"
        grants |= {("WRITE", "TRANSACTIONAL_ID", prefixed), ("DESCRIBE", "TRANSACTIONAL_ID", prefixed)}
    return grants


async def lose(stage: Scene, kafka: SecureKafka, grants: set[Grant], lost: set[Grant]) -> None:
    set_grants(kafka.bootstrap, kafka.limited, grants - lost)
    await stage.produce(made_up_posts(50))


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
async def test_permissions_that_come_and_go_are_waited_for_and_nothing_is_lost(
    secure_kafka: SecureKafka, topics: Names, tmp_path: Path, delivery: str
) -> None:
    grants = grants_for(topics, delivery)
    writing = {("WRITE", "TOPIC", topics(role)) for role in ("output", "dead")}
    flapping: list[tuple[set[Grant], str]] = [
        ({("READ", "TOPIC", topics("input"))}, DENIED),
        ({("READ", "GROUP", topics("group"))}, DENIED),
        ({("WRITE", "TOPIC", topics("output"))}, DENIED),
    ]
    if delivery == "exactly_once":
        flapping.append(({("WRITE", "TRANSACTIONAL_ID", f"{topics('group')}.*")}, DENIED))
    else:  # who may write nowhere does not get a producer id either
        flapping.append((writing, "ClusterAuthorizationFailed"))
    set_grants(secure_kafka.bootstrap, secure_kafka.limited, grants)
    async with scene(secure_kafka, topics, tmp_path, partitions=2) as stage:
        await stage.produce(made_up_posts(50))
        worker = stage.worker("a", QUICK | as_limited(secure_kafka) | {"MODERATION_DELIVERY": delivery})
        await stage.until_done(worker)
        for lost, denied in flapping:
            said = worker.tail(10**9).count(denied)
            await lose(stage, secure_kafka, grants, lost)
            await stage.until_said_again(worker, denied, said)
            set_grants(secure_kafka.bootstrap, secure_kafka.limited, grants)
            await stage.until_done(worker)
        worker.terminate()
        assert worker.wait() == 0, worker.tail()
        report = await stage.judge()
    assert_kept(report, 50 * (1 + len(flapping)))
    if delivery == "exactly_once":
        assert report.duplicates == 0


@pytest.mark.parametrize(
    ("operation", "kind", "role", "named"),
    [
        ("READ", "TOPIC", "input", "grant Read on MODERATION_INPUT_TOPIC"),
        ("WRITE", "TOPIC", "output", "grant Write on MODERATION_OUTPUT_TOPIC"),
    ],
)
async def test_a_permission_that_is_not_given_back_ends_the_worker_within_its_deadline(
    secure_kafka: SecureKafka, topics: Names, tmp_path: Path, operation: str, kind: str, role: str, named: str
) -> None:
    grants = grants_for(topics, "at_least_once")
    deadlines = dict.fromkeys(("MODERATION_ACK_DEADLINE_SECONDS", "MODERATION_RETRY_DEADLINE_SECONDS"), "3")
    short = {"MODERATION_REQUEST_TIMEOUT_SECONDS": "2", **deadlines}
    set_grants(secure_kafka.bootstrap, secure_kafka.limited, grants)
    async with scene(secure_kafka, topics, tmp_path, partitions=2) as stage:
        await stage.produce(made_up_posts(20))
        worker = stage.worker("a", QUICK | short | as_limited(secure_kafka))
        await stage.until_done(worker)
        await lose(stage, secure_kafka, grants, {(operation, kind, topics(role))})
        assert await stage.ended(worker) == 1
        assert named in worker.tail(), worker.tail()
        report = await stage.judge(complete=False)
    assert_kept(report, 70)
