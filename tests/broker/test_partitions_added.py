"""Partitions added while a worker runs: their records are read from the first one on, and verdicts find their place."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.broker.scene import made_up_posts, scene
from tests.broker.test_delivery import assert_kept
from tests.harness import Kafka

pytestmark = pytest.mark.broker

Unique = Callable[[str], str]
ATTENTIVE = {"MODERATION_METADATA_MAX_AGE_SECONDS": "1"}


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
async def test_records_written_to_an_added_partition_at_once_are_not_lost(
    kafka: Kafka, topics: Unique, tmp_path: Path, delivery: str
) -> None:
    async with scene(kafka, topics, tmp_path, partitions=1) as stage:
        worker = stage.worker("a", ATTENTIVE | {"MODERATION_DELIVERY": delivery})
        sent = await stage.produce(made_up_posts(30))
        await stage.until_done(worker)
        await stage.grow(stage.names.output, 3)  # the output first: see README
        await stage.grow(stage.names.input, 3)
        for partition in range(3):
            sent += await stage.produce(made_up_posts(30), partition)
        await stage.until_done(worker)
        report = await stage.judge()
    assert_kept(report, sent)
    assert report.duplicates == 0


async def test_an_output_topic_that_stays_narrow_ends_the_worker_and_the_next_spreads_by_key(
    kafka: Kafka, topics: Unique, tmp_path: Path
) -> None:
    async with scene(kafka, topics, tmp_path, partitions=1) as stage:
        worker = stage.worker("a", ATTENTIVE)
        sent = await stage.produce(made_up_posts(30))
        await stage.until_done(worker)
        await stage.grow(stage.names.input, 2)
        sent += await stage.produce(made_up_posts(30), 1)
        assert await stage.ended(worker) == 1
        assert "MODERATION_OUTPUT_TOPIC" in worker.tail()
        assert await stage.watch.committed() == {0: 30}
        successor = stage.worker("b")
        await stage.until_done(successor)
        stage.watch._names = replace(stage.names, partitions=1)  # of the output topic
        report = await stage.judge(same_partitions=False)
    assert_kept(report, sent)
