"""Input logs with gaps and markers: compacted, transactional, and held back by a transaction that is open."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from tests.broker.scene import PATIENCE_SECONDS, Scene, made_up_posts, scene
from tests.broker.test_delivery import assert_kept
from tests.harness import Kafka
from tests.harness.topics import Keyed, read_all

pytestmark = pytest.mark.broker

Unique = Callable[[str], str]
COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "1",  # a segment ends with each write after another; the last one is never compacted
    "min.cleanable.dirty.ratio": "0.01",
    "max.compaction.lag.ms": "1",
}


def said(text: str) -> bytes:
    return orjson.dumps({"id": text, "text": text})


async def until_compacted(stage: Scene) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        keys = [record.key for record in await read_all(stage.kafka.bootstrap, stage.names.input)]
        if len(keys) == len(set(keys)):
            return
        assert time.monotonic() < deadline, keys
        await asyncio.sleep(0.2)


async def test_each_record_that_compaction_left_is_judged_once(kafka: Kafka, topics: Unique, tmp_path: Path) -> None:
    async with scene(kafka, topics, tmp_path, partitions=1, input_config=COMPACTED) as stage:
        for turn in range(3):
            again: list[Keyed] = [
                (f"author-{n}".encode(), said(f"post {n}, edited {turn} times")) for n in range(turn, 12)
            ]
            await stage.produce(again)
            await asyncio.sleep(0.01)
        await stage.produce(made_up_posts(1))
        await until_compacted(stage)
        worker = stage.worker()
        await stage.until_done(worker)
        report = await stage.judge()
        [end] = (await stage.watch.input_ends()).values()
    assert_kept(report, 13)
    assert report.duplicates == 0
    assert end == 12 + 11 + 10 + 1


async def test_an_open_transaction_holds_back_what_follows_it_and_a_marker_at_the_end_is_no_lag(
    kafka: Kafka, topics: Unique, tmp_path: Path
) -> None:
    async with scene(kafka, topics, tmp_path, partitions=1) as stage:
        lag = f'moderation_consumer_lag{{partition="0",topic="{stage.names.input}"}}'
        worker = stage.worker()
        async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id=topics("tx")) as producer:
            await producer.begin_transaction()
            await producer.send_and_wait(stage.names.input, said("never"), key=b"k")
            await producer.abort_transaction()
            await producer.begin_transaction()
            await producer.send_and_wait(stage.names.input, said("held back"), key=b"k")
            await stage.produce([(b"k", said("behind it"))])
            await stage.until_ready(worker)
            # It has read up to the transaction, past the aborted one, and knows of what is behind.
            await stage.until_metric(worker, lag, 2)
            assert await read_all(kafka.bootstrap, stage.names.output) == []
            await producer.commit_transaction()
        await stage.until(lambda committed, total: committed == total - 1 == 4, worker)
        await stage.until_metric(worker, lag, 0)
        verdicts = await read_all(kafka.bootstrap, stage.names.output)
    assert [orjson.loads(verdict.value or b"")["post_id"] for verdict in verdicts] == ["held back", "behind it"]
