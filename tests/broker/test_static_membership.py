"""Workers with a name of their own in the group (KIP-345): a restart moves no partition, and a name has one bearer."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.broker.scene import made_up_posts, scene
from tests.broker.test_delivery import SLOW, assert_kept
from tests.harness import Kafka

pytestmark = pytest.mark.broker

Unique = Callable[[str], str]


def named(instance: str, **more: str) -> dict[str, str]:
    """`instance` is a StatefulSet's pod; its session outlives its restart."""
    session = {"MODERATION_SESSION_TIMEOUT_SECONDS": "50", "MODERATION_HEARTBEAT_INTERVAL_SECONDS": "0.5"}
    return SLOW | session | {"MODERATION_GROUP_INSTANCE_ID": instance} | more


async def test_a_restart_within_the_session_takes_no_partition_from_others_and_repeats_nothing(
    kafka: Kafka, topics: Unique, tmp_path: Path
) -> None:
    async with scene(kafka, topics, tmp_path, partitions=2) as stage:
        stays, goes = stage.worker("a", named("worker-0")), stage.worker("b", named("worker-1"))
        await stage.until_shared(stays, goes)
        held = dict(await stage.watch.members())
        sent = await stage.produce(made_up_posts(300))
        await stage.until(lambda committed, total: 0 < committed < total, stays, goes)
        before = (await stage.metrics(stays))["moderation_rebalances_total"]
        goes.terminate()
        assert goes.wait() == 0, goes.tail()
        sent += await stage.produce(made_up_posts(100))
        back = stage.worker("b", named("worker-1"))
        await stage.until_done(stays, back)
        assert dict(await stage.watch.members()) == held
        assert (await stage.metrics(stays))["moderation_rebalances_total"] == before
        report = await stage.judge()
    assert_kept(report, sent)
    assert report.duplicates == 0


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
async def test_of_two_workers_with_one_name_the_former_ends_and_says_so(
    kafka: Kafka, topics: Unique, tmp_path: Path, delivery: str
) -> None:
    env = named("worker-0", MODERATION_DELIVERY=delivery)
    async with scene(kafka, topics, tmp_path, partitions=1) as stage:
        former = stage.worker("a", env)
        await stage.until_ready(former)
        sent = await stage.produce(made_up_posts(300))
        latter = stage.worker("b", env)
        assert await stage.ended(former) == 1
        assert "MODERATION_GROUP_INSTANCE_ID=worker-0" in former.tail(), former.tail()
        assert "Traceback" not in former.tail(10**9)
        await stage.until_done(latter)
        await asyncio.sleep(1.5)  # time for a worker that lost its name to take it back
        assert latter.ended() is None, latter.tail()
        assert (await stage.metrics(latter))["moderation_rebalances_total"] == 1
        report = await stage.judge()
    assert_kept(report, sent)
    if delivery == "exactly_once":
        assert report.duplicates == 0
