"""Promise 3 with exactly-once delivery: real workers, a real broker, zombies included."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.broker.scene import made_up_posts, scene
from tests.broker.test_delivery import SLOW, assert_kept
from tests.harness import Kafka

pytestmark = pytest.mark.broker

Unique = Callable[[str], str]
ONCE = SLOW | {"MODERATION_DELIVERY": "exactly_once"}
QUICK_SESSION = ONCE | {
    "MODERATION_SESSION_TIMEOUT_SECONDS": "6",
    "MODERATION_HEARTBEAT_INTERVAL_SECONDS": "1",
    "MODERATION_REBALANCE_TIMEOUT_SECONDS": "12",
    "MODERATION_DRAIN_TIMEOUT_SECONDS": "3",
}


async def test_a_worker_killed_mid_stream_repeats_nothing(kafka: Kafka, topics: Unique, tmp_path: Path) -> None:
    async with scene(kafka, topics, tmp_path) as stage:
        sent = await stage.produce(made_up_posts(1500))
        victim = stage.worker("a", ONCE)
        await stage.until(lambda committed, total: 0 < committed < total, victim)
        victim.kill()
        successor = stage.worker("b", ONCE)
        await stage.until_done(successor)
        successor.terminate()
        assert successor.wait() == 0, successor.tail()
        report = await stage.judge()
    assert_kept(report, sent)
    assert report.duplicates == 0


async def test_a_broker_restarted_mid_stream_causes_no_repeat(
    fresh_kafka: Kafka, topics: Unique, tmp_path: Path
) -> None:
    async with scene(fresh_kafka, topics, tmp_path) as stage:
        sent = await stage.produce(made_up_posts(1500))
        worker = stage.worker("a", ONCE)
        await stage.until(lambda committed, total: 0 < committed < total, worker)
        fresh_kafka.kill()
        fresh_kafka.start()
        await stage.until_done(worker)
        worker.terminate()
        assert worker.wait() == 0, worker.tail()
        report = await stage.judge()
    assert_kept(report, sent)
    assert report.duplicates == 0


async def test_a_zombie_publishes_nothing_and_takes_part_again(kafka: Kafka, topics: Unique, tmp_path: Path) -> None:
    async with scene(kafka, topics, tmp_path) as stage:
        sent = await stage.produce(made_up_posts(2500))
        zombie = stage.worker("a", QUICK_SESSION)
        await stage.until(lambda committed, total: 0 < committed < total, zombie)
        zombie.pause()
        heir = stage.worker("b", QUICK_SESSION)
        await stage.until_shared(heir)  # the group gave the zombie up
        assert sum((await stage.watch.committed()).values()) < sent
        zombie.resume()
        await stage.until_shared(zombie, heir)
        await stage.until_done(zombie, heir)
        for worker in (zombie, heir):
            worker.terminate()
            assert worker.wait() == 0, worker.tail()
        report = await stage.judge()
    assert_kept(report, sent)
    assert report.duplicates == 0
