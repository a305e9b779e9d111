"""What a worker says of itself while its broker is gone."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from load_tests.workers import Worker
from tests.broker.scene import PATIENCE_SECONDS, Scene, made_up_posts, scene
from tests.broker.test_delivery import SLOW, assert_kept
from tests.harness import Kafka

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]

SHORT = {"MODERATION_REQUEST_TIMEOUT_SECONDS": "2"}


async def reasons(stage: Scene, worker: Worker, *wanted: str) -> None:
    """Wait until /readyz gives all these reasons."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not all(text in str(stage.get(worker, "readyz").get("reasons")) for text in wanted):
            assert worker.ended() is None, worker.tail()
            await asyncio.sleep(0.2)


async def test_an_outage_shows_in_readiness_and_metrics_and_a_waiting_worker_stays_alive(
    fresh_kafka: Kafka, topics: Callable[[str], str], tmp_path: Path
) -> None:
    async with scene(fresh_kafka, topics, tmp_path, partitions=2) as stage:
        sent = await stage.produce(made_up_posts(400))
        patient = stage.worker("a", SLOW | SHORT)
        hasty = stage.worker("b", SHORT | {"MODERATION_RETRY_DEADLINE_SECONDS": "3", "MODERATION_GROUP_ID": "another"})
        await stage.until_ready(hasty)
        await stage.until(lambda committed, total: 0 < committed < total, patient)
        fresh_kafka.kill()
        assert await stage.ended(hasty) == 1
        assert "MODERATION_RETRY_DEADLINE_SECONDS" in hasty.tail(), hasty.tail()
        await reasons(stage, patient, "publishing has failed for", "reading has failed for")
        assert stage.get(patient, "livez")["ok"] is True
        failing = await stage.metrics(patient)
        for doing in ("reading", "publishing"):
            assert (
                failing[f'moderation_kafka_failing_seconds{{doing="{doing}"}}'] > 8
            )  # the probe counts on, the metric once a second
        fresh_kafka.start()
        await stage.until_ready(patient)
        await stage.until_done(patient)
        healed = await stage.settled_metrics(patient)
        report = await stage.judge()
    assert_kept(report, sent)
    assert sum(value for name, value in healed.items() if name.startswith("moderation_kafka_failing_seconds")) == 0
